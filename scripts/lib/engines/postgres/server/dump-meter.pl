#!/usr/bin/env perl
# As meter.pl, and reads along what passes, which is plain SQL as pg_dump writes it: in COPY's text format every row is one
# line, whatever is in it. Reports, beside what the meter reports, each name as it is spelled there, in hexadecimal:
#   ROWS <rows> <table>                     as the rows of a COPY end
#   SETVAL <value> <true|false> <sequence>  where a sequence is set
# With --archive=PG_RESTORE what passes is an archive of pg_dump's, and what that program makes of it is read: so it is
# also known that the archive can be read to its end.
# With --members=LARGE:GROUP and a command that compresses, or without one, writes it in members: see member-writer.pl.
use strict;
use warnings;
use Errno;
use File::Basename qw(dirname);
use File::Spec;

my $pg_restore = @ARGV && $ARGV[0] =~ /^--archive=(.+)$/s ? $1 : undef;
my $members;
if (@ARGV && $ARGV[0] =~ /^--members=(\d+):(\d+)$/) {
  my ($large, $group) = ($1, $2);
  require(File::Spec->rel2abs(dirname(__FILE__)) . '/member-writer.pl');
  $members = MemberWriter->new($large, $group, @ARGV[1 .. $#ARGV]);
}

# outside of rows: the line being read, what ends the quoted text that it is in, and what has been read of a statement
# that is wanted; within: the lines seen, and what of the last ones may be the beginning of the end
my ($line, $quote, $statement) = ('', '', undef);
my ($copied, $lines, $carry) = (undef, 0, '');

# F_SETPIPE_SZ, as far as there are pipes and the kernel allows it: each side then works longer before it waits for the other
fcntl($_, 1031, 1 << 20) for *STDIN, *STDOUT;
my ($archive, $reader) = defined $pg_restore ? read_archive() : ();
my ($chunk, $size, $tail, $told) = ('', 0, '', time);
while (1) {
  my $length = sysread(STDIN, $chunk, 1 << 20);
  # by one of those who compress having ended
  next if !defined $length && $members && $!{EINTR};
  defined $length or die "reading: $!\n";
  last if $length == 0;
  write_all(*STDOUT) if !$members;
  $size += $length;
  if (time != $told) {
    $told = time;
    print STDERR "PASSED $size\n";
  }
  $tail = $length >= 1024 ? substr($chunk, -1024) : last_of($tail . $chunk, 1024);
  if ($archive) {
    local $SIG{PIPE} = 'IGNORE';
    eval { write_all($archive); 1 } or last;
  } else {
    read_chunk();
  }
}
if ($archive) {
  close $archive;
  waitpid($reader, 0);
  # its own words, which stand before these, say why
  die "the archive cannot be read\n" if $?;
} else {
  assert_whole();
  $members->finish() if $members;
}
close(STDOUT) or die "writing: $!\n";
print STDERR 'METER ', $size, ' ', unpack('H*', $tail), "\n";

# Starts pg_restore, and a process that reads what it writes. Returns what it reads from, and that process.
sub read_archive {
  pipe(my $from, my $to) or die "pipe: $!\n";
  my $pid = fork() // die "fork: $!\n";
  if ($pid) {
    close $from;
    return ($to, $pid);
  }
  close $to;
  open(STDIN, '<&', $from) or die "pg_restore: $!\n";
  close STDOUT;
  open(my $sql, '-|', $pg_restore, '--file=-') or die "pg_restore: $!\n";
  while (1) {
    my $length = sysread($sql, $chunk, 1 << 20);
    defined $length or die "reading: $!\n";
    last if $length == 0;
    read_chunk();
  }
  close($sql) or exit 1;
  assert_whole();
  exit 0;
}

sub write_all {
  my ($to) = @_;
  my ($done, $length) = (0, length $chunk);
  while ($done < $length) {
    my $written = syswrite($to, $chunk, $length - $done, $done);
    defined $written or die "writing: $!\n";
    $done += $written;
  }
}

sub assert_whole { die "the dump ends within the rows of a table\n" if defined $copied || defined $statement }

sub read_chunk {
  my $length = length $chunk;
  for (my $at = 0; $at < $length;) { $at = defined $copied ? read_rows($at) : read_statements($at) }
}

# Both read from a position in the chunk on, and return where what they know about ends.
sub read_rows {
  my ($at) = @_;
  my $near = index($carry . substr($chunk, $at, 3), "\n\\.\n");
  my $far = $near < 0 ? index($chunk, "\n\\.\n", $at) : -1;
  my $is_over = $near >= 0 || $far >= 0;
  my $next = !$is_over ? length $chunk : $near >= 0 ? $at + $near + 4 - length $carry : $far + 4;
  # all of it is counted where it stands, a part in a copy
  $lines += $at == 0 && $next == length $chunk ? $chunk =~ tr/\n// : substr($chunk, $at, $next - $at) =~ tr/\n//;
  $members->rows(\$chunk, $at, $next - $at, $is_over) if $members;
  if ($is_over) {
    # the last line is the one that ends them
    print STDERR 'ROWS ', $lines - 1, ' ', unpack('H*', $copied), "\n";
    undef $copied;
    $members->end_rows() if $members;
  } else {
    # of the chunk no more than that is copied
    my $from = length($chunk) - 3;
    $carry = last_of($carry . substr($chunk, $from > $at ? $from : $at), 3);
  }
  return $next;
}

sub read_statements {
  my ($at) = @_;
  my $end = index($chunk, "\n", $at);
  my $next = $end < 0 ? length $chunk : $end + 1;
  $line .= substr($chunk, $at, $next - $at);
  return $next if $end < 0;
  my $is_first = $quote eq '' && !defined $statement;
  my $is_copy = defined $statement ? $statement =~ /^COPY / : $is_first && $line =~ /^COPY /;
  take_line();
  $members->line($line, $is_first, $is_copy && defined $statement, defined $copied) if $members;
  $line = '';
  return $next;
}

# A line of statements: a function's body may say COPY too, a name may hold the end of a line.
sub take_line {
  $statement = '' if $quote eq '' && !defined $statement && $line =~ /^(?:COPY |SELECT pg_catalog\.setval\()/;
  $statement .= $line if defined $statement;
  pass_quotes();
  return unless defined $statement && $quote eq '' && $line =~ /;\n$/;
  if ($statement =~ /^COPY ((?:(?:U&)?"(?:[^"]|"")*"|[^\s"(])+) .*FROM stdin;\n$/s) {
    ($copied, $lines, $carry) = ($1, 0, "\n");
  } elsif ($statement =~ /\('((?:[^']|'')*)', (-?\d+), (true|false)\);\n$/s) {
    print STDERR "SETVAL $2 $3 ", unpack('H*', $1), "\n";
  }
  undef $statement;
}

# Within what quoted text the line ends: '…', "…" or $tag$…$tag$. A quote in a quoted text is doubled, which is as good as
# two texts; a tag does not begin within a word.
sub pass_quotes {
  pos($line) = 0;
  while (pos($line) < length $line) {
    if ($quote ne '') {
      my $end = index($line, $quote, pos($line));
      return if $end < 0;
      pos($line) = $end + length $quote;
      $quote = '';
    } elsif ($line =~ /\G[^'"\$-]*+(?:(--)|((?<![\w\$])\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$|['"])|[\$-])/gc) {
      return if defined $1;
      $quote = $2 // '';
    } else {
      return;
    }
  }
}

sub last_of {
  my ($text, $count) = @_;
  return length $text > $count ? substr($text, -$count) : $text;
}
