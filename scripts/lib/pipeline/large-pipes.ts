/** F_SETPIPE_SZ of fcntl(2), and a megabyte: what a pipe may hold without anybody's leave. */
const ENLARGE = 'fcntl($_, 1031, 1 << 20) for *STDIN, *STDOUT; exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\\n"';

/**
 * A program between two pipes that then hold a megabyte, and not 64 KB: each side works longer before it waits for the other.
 * Node cannot ask for that itself. Where the kernel refuses, they stay as they are.
 */
export function inLargePipes(command: string, args: readonly string[]): { command: string; args: string[] } {
  return { command: 'perl', args: ['-e', ENLARGE, command, ...args] };
}
