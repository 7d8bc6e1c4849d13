#!/usr/bin/env perl
# Runs a mariadb-dump, hands on what it writes, and counts the rows of each table on the way: its first argument is the
# file for the counts, the others are the command. mariadb-dump writes every row on a line of its own and no line break
# inside one; see docs/adr/0011-mariadb-row-counts.md.
use strict;
use warnings;

use constant { F_SETPIPE_SZ => 1031, BLOCK => 1 << 20, LINE_KEPT => 1 << 17 };

my ($report, @command) = @ARGV;
# a dump writes 4 KB at a time, which to a pipe costs as much as half of its own work
unshift @command, '/usr/bin/stdbuf', '-o1M' if -x '/usr/bin/stdbuf';
my ($pid, $told);
for my $name (qw(TERM INT HUP)) {
  $SIG{$name} = sub { $told = $name; end_both() if $pid };
}
$pid = open(my $dump, '-|', @command) or do { print STDERR "$command[0]: $!\n"; exit 127 };
# told so before there was anything else to end
end_both() if $told;
# wider pipes mean fewer switches between the processes; where that is not allowed they stay as they are
fcntl($_, F_SETPIPE_SZ, BLOCK) for $dump, *STDOUT;

my $NAME = qr/`(?:[^`]|``)*`/;
my $COLUMN = qr/(?:$NAME|row_start|row_end)/;
my (%rows, $table, $in_code, $is_unknown);
my $before = '';    # the line before, where it is not empty
my $line = '';    # the beginning of a line that has not ended yet
my ($length, $longest) = (0, 0);    # of that line so far, and of the longest of those that did not fit a block
while (1) {
  my $read = sysread($dump, my $chunk, BLOCK);
  defined $read or die "reading: $!\n";
  last if $read == 0;
  my $done = 0;
  while ($done < $read) {
    my $written = syswrite(STDOUT, $chunk, $read - $done, $done);
    defined $written or die "writing: $!\n";
    $done += $written;
  }
  my $end = rindex($chunk, "\n") + 1;
  if ($length > 0 || $end == 0) {
    $length += $end == 0 ? $read : index($chunk, "\n");
    $longest = $length if $length > $longest;
  }
  $length = $read - $end if $end > 0;
  if ($end == 0) {
    # of a row longer than a block only the beginning matters
    $line .= substr($chunk, 0, LINE_KEPT) if length($line) < LINE_KEPT;
    next;
  }
  look($line . substr($chunk, 0, $end));
  $line = substr($chunk, $end, LINE_KEPT);
}
close(STDOUT) or die "writing: $!\n";

unless (close $dump) {
  die "reading: $!\n" if $!;
  kill $? & 127, $$ if $? & 127;
  exit($? >> 8);
}
open(my $file, '>', $report) or die "$report: $!\n";
if ($is_unknown) { print $file "unknown\n" }
else { print $file unpack('H*', $_), " $rows{$_}\n" for sort keys %rows; print $file "longest $longest\nend\n" }
close($file) or die "$report: $!\n";

# Takes whole lines.
sub look {
  my $at = 0;
  my $length = length $_[0];
  while ($at < $length) {
    if (defined $table) {
      my $end = substr($_[0], $at, 14) eq 'UNLOCK TABLES;' ? $at : 1 + index($_[0], "\nUNLOCK TABLES;", $at);
      my $ends_here = $end > 0 || substr($_[0], $at, 14) eq 'UNLOCK TABLES;';
      $end = $length unless $ends_here;
      count(substr($_[0], $at, $end - $at)) if $end > $at;
      $at = $end;
      next unless $ends_here;
      undef $table;
    }
    my $next = 1 + index($_[0], "\n", $at);
    my $text = substr($_[0], $at, $next - $at - 1);
    $at = $next;
    # code ends behind the end of a statement; elsewhere that line is one of a text
    if ($text eq 'DELIMITER ;;') { $in_code = 1 }
    elsif ($text eq 'DELIMITER ;') { $in_code = 0 if $before =~ /;;\s*$/ }
    elsif (!$in_code && $text =~ /^LOCK TABLES `/) {
      if ($text =~ /^LOCK TABLES `((?:[^`]|``)*)` WRITE;$/) { ($table = $1) =~ s/``/`/g; $rows{$table} //= 0 }
      else { $is_unknown = 1 }
    }
    # data without the lock that tells whose it is
    elsif (!$in_code && $text =~ /^INSERT INTO `/) { $is_unknown = 1 }
    $before = $text if $text ne '';
  }
}

# Takes lines of one table's data. Most begin with a parenthesis: looking for the others is several times as fast as
# counting those.
sub count {
  my $others = 0;
  # the first line has no line break before it
  pos($_[0]) = 0;
  if (substr($_[0], 0, 1) ne '(') { other($_[0], 0); $others = 1 }
  while ($_[0] =~ /\n[^(]/g) { other($_[0], pos($_[0]) - 1); $others++ }
  $rows{$table} += ($_[0] =~ tr/\n//) - $others;
}

# A line that is no row must not have one in it, but for the first of a statement that names its columns.
sub other {
  return unless substr($_[0], $_[1], 6) eq 'INSERT';
  my $line = substr($_[0], $_[1], LINE_KEPT);
  if ($line =~ /^INSERT INTO $NAME \($COLUMN(?:, $COLUMN)*\) VALUES \(/) { $rows{$table}++ }
  elsif ($line =~ /^[^\n]* VALUES \(/) { $is_unknown = 1 }
}

# A process that was stopped takes the end only once it goes on.
sub end_both {
  kill $_, $pid for qw(TERM CONT);
  waitpid $pid, 0;
  $SIG{$told} = 'DEFAULT';
  kill $told, $$;
}
