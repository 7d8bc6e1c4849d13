#!/usr/bin/env perl
# Copies standard input to standard output and reports the number of bytes and the last kilobyte, in hexadecimal.
# Says `PASSED <bytes>` there about once a second meanwhile.
# With lines as arguments, drops those from the first 8 KB: settings that a dump's writer knows and its reader does not.
use strict;
use warnings;

my ($size, $tail, $first, $told) = (0, '', 1, time);
while (1) {
  my $read = sysread(STDIN, my $chunk, 1 << 20);
  defined $read or die "reading: $!\n";
  last if $read == 0;
  if ($first && @ARGV) {
    # the whole header has to be here before its lines can be looked at
    while (length($chunk) < 8192) {
      my $more = sysread(STDIN, $chunk, 8192 - length($chunk), length($chunk));
      defined $more or die "reading: $!\n";
      last if $more == 0;
    }
    my ($head, $rest) = (substr($chunk, 0, 8192), length($chunk) > 8192 ? substr($chunk, 8192) : '');
    for my $line (@ARGV) { $head =~ s/^\Q$line\E\n//m }
    $chunk = $head . $rest;
  }
  $first = 0;
  my ($done, $length) = (0, length $chunk);
  while ($done < $length) {
    my $written = syswrite(STDOUT, $chunk, $length - $done, $done);
    defined $written or die "writing: $!\n";
    $done += $written;
  }
  $size += $length;
  if (time != $told) {
    $told = time;
    print STDERR "PASSED $size\n";
  }
  $tail = $length >= 1024 ? substr($chunk, -1024) : substr($tail . $chunk, -1024) if $length;
}
close(STDOUT) or die "writing: $!\n";
print STDERR 'METER ', $size, ' ', unpack('H*', length($tail) > 1024 ? substr($tail, -1024) : $tail), "\n";
