#!/usr/bin/env perl
# As meter.pl, and counts the rows of each COPY of a stream that copy-script.ts wrote: in COPY's text format every row
# is one line, whatever is in it. Reports `ROWS n` as each ends, beside what the meter reports.
use strict;
use warnings;

# F_SETPIPE_SZ, as far as there are pipes and the kernel allows it: each side then works longer before it waits for the other
fcntl($_, 1031, 1 << 20) for *STDIN, *STDOUT;
my ($chunk, $size, $tail, $told) = ('', 0, '', time);
# outside of rows: the line being read, and how many lines of a COPY's head are still to come; within: the lines seen,
# and what of the last ones may be the beginning of the end
my ($line, $head, $copying, $lines, $carry) = ('', 0, 0, 0, '');

while (1) {
  my $length = sysread(STDIN, $chunk, 1 << 20);
  defined $length or die "reading: $!\n";
  last if $length == 0;
  my $done = 0;
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
  $tail = $length >= 1024 ? substr($chunk, -1024) : last_of($tail . $chunk, 1024);
  for (my $at = 0; $at < $length;) { $at = $copying ? read_rows($at) : read_statements($at) }
}
close(STDOUT) or die "writing: $!\n";
die "the dump ends within the rows of a table\n" if $copying || $head;
print STDERR 'METER ', $size, ' ', unpack('H*', $tail), "\n";

# Both read from a position in the chunk on, and return where what they know about ends.
sub read_rows {
  my ($at) = @_;
  my $near = index($carry . substr($chunk, $at, 3), "\n\\.\n");
  my $far = $near < 0 ? index($chunk, "\n\\.\n", $at) : -1;
  my $is_over = $near >= 0 || $far >= 0;
  my $next = !$is_over ? length $chunk : $near >= 0 ? $at + $near + 4 - length $carry : $far + 4;
  $lines += substr($chunk, $at, $next - $at) =~ tr/\n//;
  if ($is_over) {
    # the last line is the one that ends them
    print STDERR 'ROWS ', $lines - 1, "\n";
    ($copying, $line) = (0, '');
  } else {
    $carry = last_of($carry . last_of(substr($chunk, $at), 3), 3);
  }
  return $next;
}

sub read_statements {
  my ($at) = @_;
  my $end = index($chunk, "\n", $at);
  $line .= substr($chunk, $at, ($end < 0 ? length $chunk : $end) - $at);
  return length $chunk if $end < 0;
  if ($head) {
    ($copying, $lines, $carry) = (1, 0, "\n") if --$head == 0;
  } elsif ($line =~ /^-- rows follow: after (\d+)$/) {
    $head = $1;
  }
  $line = '';
  return $end + 1;
}

sub last_of {
  my ($text, $count) = @_;
  return length $text > $count ? substr($text, -$count) : $text;
}
