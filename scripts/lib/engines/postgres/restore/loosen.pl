#!/usr/bin/env perl
# Copies a plain dump from standard input to standard output, with what stands in descriptor 3 before its first rows.
use strict;
use warnings;

open(my $file, '<&=', 3) or die "descriptor 3: $!\n";
my $inserted = do { local $/; <$file> };
binmode($_) for *STDIN, *STDOUT;

sub emit {
  my ($done, $length) = (0, length $_[0]);
  while ($done < $length) {
    my $written = syswrite(STDOUT, $_[0], $length - $done, $done);
    defined $written or die "writing: $!\n";
    $done += $written;
  }
}

# what comes before the rows is looked at line by line; the lines of a text that only looks so are not told apart here: whoever
# inserts something has to see that it ran
my $rest = '';
my $isFound = 0;
while (1) {
  my $read = sysread(STDIN, my $chunk, 1 << 20);
  defined $read or die "reading: $!\n";
  last if $read == 0;
  if ($isFound) { emit($chunk); next }
  $rest .= $chunk;
  if ($rest =~ /^COPY [^\n]* FROM stdin;$/m) {
    $isFound = 1;
    emit(substr($rest, 0, $-[0]));
    emit($inserted);
    emit(substr($rest, $-[0]));
    $rest = '';
  } elsif ((my $end = rindex($rest, "\n")) >= 0) {
    # the line under way is kept until it has come
    emit(substr($rest, 0, $end + 1, ''));
  }
}
emit($rest);
close(STDOUT) or die "writing: $!\n";
