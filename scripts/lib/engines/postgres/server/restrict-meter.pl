#!/usr/bin/env perl
# The common meter, for what psql reads: copies standard input to standard output and reports the number of bytes and the
# last kilobyte, in hexadecimal; says `PASSED <bytes>` there about once a second meanwhile.
# With lines as arguments, drops those from the first 8 KB: settings that a dump's writer knows and its reader does not.
# With --guard=TOKEN before them, puts psql into its restricted mode before anything of the dump, and leaves out the lines
# by which pg_dump does that itself: only who knows the token can end it.
use strict;
use warnings;

# With --before=TEXT ahead of them all, writes that first; with --freeze, has the rows that it begins with frozen as they come.
my ($before, $freezes) = ('', 0);
$before = substr(shift(@ARGV), 9) if @ARGV && $ARGV[0] =~ /^--before=/;
$freezes = shift(@ARGV) eq '--freeze' if @ARGV && $ARGV[0] eq '--freeze';
my $guard = @ARGV && $ARGV[0] =~ /^--guard=(\w+)$/ ? $1 : undef;
shift @ARGV if defined $guard;

sub emit {
  my ($done, $length) = (0, length $_[0]);
  while ($done < $length) {
    my $written = syswrite(STDOUT, $_[0], $length - $done, $done);
    defined $written or die "writing: $!\n";
    $done += $written;
  }
}

# F_SETPIPE_SZ, as far as there are pipes and the kernel allows it: each side then works longer before it waits for the other
fcntl($_, 1031, 1 << 20) for *STDIN, *STDOUT;
my ($size, $tail, $first, $told) = (0, '', 1, time);
emit("\\restrict $guard\n") if defined $guard;
emit($before) if $before ne '';
# names may hold anything, an end of a line too: what follows the last one is looked for where that ends
my $name = qr/(?:U&)?"(?:[^"]|"")*"|[^\s"(),.]+/;
my $copy = qr/\A(?:--[^\n]*\n|\n)*COPY (?:$name)(?:\.(?:$name))? (?:\((?:$name)(?:, (?:$name))*\) )?FROM stdin(?=;\n)/;
while (1) {
  my $read = sysread(STDIN, my $chunk, 1 << 20);
  defined $read or die "reading: $!\n";
  last if $read == 0;
  if ($first && (@ARGV || defined $guard || $freezes)) {
    # the whole header has to be here before its lines can be looked at
    while (length($chunk) < 8192) {
      my $more = sysread(STDIN, $chunk, 8192 - length($chunk), length($chunk));
      defined $more or die "reading: $!\n";
      last if $more == 0;
    }
    # what comes is counted, not what becomes of it
    $size += length $chunk;
    my ($head, $rest) = (substr($chunk, 0, 8192), length($chunk) > 8192 ? substr($chunk, 8192) : '');
    for my $line (@ARGV) { $head =~ s/^\Q$line\E\n//m }
    # one that is longer is loaded as it is
    $head =~ s/($copy)/$1 WITH (FREEZE)/ if $freezes;
    # in rows a backslash is doubled: a line that begins so is none of theirs
    $head =~ s/^\\restrict \S+\n//m if defined $guard;
    $chunk = $head . $rest;
  } else {
    $size += length $chunk;
  }
  $first = 0;
  my $length = length $chunk;
  if (time != $told) {
    $told = time;
    print STDERR "PASSED $size\n";
  }
  if (defined $guard) {
    # the last kilobyte is held back until it is known to be the last
    $chunk = $tail . $chunk;
    my $kept = length $chunk < 1024 ? length $chunk : 1024;
    $tail = substr($chunk, -$kept, $kept, '') if $kept;
    emit($chunk);
  } else {
    emit($chunk);
    $tail = $length >= 1024 ? substr($chunk, -1024) : substr($tail . $chunk, -1024) if $length;
  }
}
if (defined $guard) {
  # what is held back may begin within a row
  (my $rest = $tail) =~ s/(?<=\n)\\unrestrict \S+\n//;
  emit($rest);
}
close(STDOUT) or die "writing: $!\n";
print STDERR 'METER ', $size, ' ', unpack('H*', length($tail) > 1024 ? substr($tail, -1024) : $tail), "\n";
