#!/usr/bin/env perl
# Hands a dump on to the mariadb client that loads it into a staging database, and sees to it that it touches nothing
# else: arguments are the staging database, the one that was dumped, a file for what is made afterwards, `rehearses` or
# `restores`, when a row ends that has not ended, a file for code or nothing, and the command. Data passes as it is, but for:
#  - Of rows with their history, one that has not ended has for its end the last moment of the server that was dumped. Where
#    this server's is another one, it would be a row of the past.
#  - A trigger is named with its database where its author wrote it so; here it means the staging one.
#  - ALTER DATABASE around routines with another collation means the staging database too.
#  - A sequence in a default is named with its database, and here it means the staging one. LOCK TABLES does not reach
#    it: such a table is loaded without.
#  - Views are made when all else is there: by the reader of the file, which has them by line, hexadecimal: what it is, its
#    name, character set, collation and text. Events are named there too: of those whose time is over the server makes none;
#    and that former versions of rows are in the dump.
#  - A rehearsal's server has no keys and none of the source's folders: tables are not encrypted there, and lie where all do.
#  - mariadb-dump divides the account of an event at its first @, and means the last.
#  - Events must not run in the staging database: those that would are made as on a replica.
#  - Triggers, routines and events go to the file for code, where there is one: whoever reads it goes on without one that
#    cannot be made.
#  - Dates that no calendar has, which the source took (ALLOW_INVALID_DATES), are taken here.
#  - A dump of one database that makes it and changes to it means the staging one. Another one is refused.
use strict;
use warnings;

use constant { F_SETPIPE_SZ => 1031, BLOCK => 1 << 20 };

my ($staging, $dumped, $later, $purpose, $open_end, $apart, @command) = @ARGV;
my ($quoted, $its) = map { s/`/``/gr } $staging, $dumped;
open(my $report, '>', $later) or die "$later: $!\n";
my $code_file;
if ($apart ne '') { open($code_file, '>', $apart) or die "$apart: $!\n" }
my ($pid, $told);
for my $name (qw(TERM INT HUP)) {
  $SIG{$name} = sub { $told = $name; end_both() if $pid };
}
$pid = open(my $out, '|-', @command) or do { print STDERR "$command[0]: $!\n"; exit 127 };
# told so before there was anything else to end
end_both() if $told;
# a client that has gone has said why; its exit status is ours
$SIG{PIPE} = 'IGNORE';
fcntl($_, F_SETPIPE_SZ, BLOCK) for *STDIN, $out;

my $word = qr/(?:`(?:[^`]|``)*`|[^\s.`(\/]+)/;
my $space = qr{(?:\s|/\*(?!!).*?\*/|--\s[^\n]*\n|\#[^\n]*\n)}s;
my $END_OF_DATA = "\nUNLOCK TABLES;";
my $LAST_MOMENT = qr/'(?:2038-01-19 03:14:07|2106-02-07 06:28:15)\.999999'/;

my ($buffer, $is_data, $code, $is_over) = ('', 0, undef, 0);
my ($its_name, $table, %has_sequence, $view, %view_session, $has_history) = (undef, '');
my (%columns, %row_end, $is_historic, $open);
until ($is_over) {
  my $read = sysread(STDIN, $buffer, BLOCK, length $buffer);
  defined $read or die "reading: $!\n";
  $is_over = $read == 0;
  1 while take();
}
put_code($code) if defined $code;
put($buffer) if $buffer ne '';
finish();

# Takes what can be taken from the buffer; false when that is nothing.
sub take {
  if ($is_data) {
    return historic() if $is_historic;
    my $end = index($buffer, $END_OF_DATA);
    if ($end >= 0) {
      put(substr($buffer, 0, $end + 1, ''));
      $is_data = 0;
      return 1;
    }
    my $sure = length($buffer) - length($END_OF_DATA);
    put(substr($buffer, 0, $sure, '')) if $sure > 0;
    return 0;
  }
  my $end = index($buffer, "\n");
  return 0 if $end < 0;
  my $line = substr($buffer, 0, $end + 1, '');
  if (defined $code) {
    $code .= $line;
    # behind the end of a statement; elsewhere it is a line of a text
    if ($line eq "DELIMITER ;\n" && substr($code, -64) =~ /;;\s*\nDELIMITER ;\n\z/) { put_code(code($code)); undef $code }
  }
  elsif ($line =~ /^LOCK TABLES `((?:[^`]|``)*)`/) {
    # the line break stays: the data may be none
    put(substr($line, 0, -1)) unless $has_sequence{$1};
    $buffer = "\n$buffer";
    $is_data = 1;
  }
  elsif ($line eq "DELIMITER ;;\n") { $code = $line }
  elsif (defined $view) {
    $view .= $line;
    if ($line =~ m{\*/;$}) { later(view => $view); undef $view }
  }
  elsif ($line =~ m{^/\*!50001 CREATE ALGORITHM=\w+ \*/$}) { $view = $line }
  else { put(plain($line)) }
  return 1;
}

# Takes the whole lines of rows with their history.
sub historic {
  my $last = rindex($buffer, "\n");
  return 0 if $last < 0;
  my $lines = substr($buffer, 0, $last + 1, '');
  my ($taken, $at) = ('', 0);
  while ($is_historic && $at < length $lines) {
    my $next = 1 + index($lines, "\n", $at);
    my $line = substr($lines, $at, $next - $at);
    ($is_data, $is_historic) = (0, 0) if $line =~ /^UNLOCK TABLES;/;
    $taken .= $is_historic ? open_ended($line) : $line;
    $at = $next;
  }
  put($taken);
  $buffer = substr($lines, $at) . $buffer;
  return 1;
}

sub open_ended {
  my ($line) = @_;
  my $head = '';
  if ($line =~ /^INSERT INTO `(?:[^`]|``)*` (?:\((.*?)\) )?VALUES[ \n]/s) {
    my ($listed, $end) = ($1, $+[0]);
    my $names = defined $listed ? [$listed =~ /(`(?:[^`]|``)*`|row_start|row_end)/g] : $columns{$table};
    my $name = $row_end{$table} // 'row_end';
    ($open) = grep { $names->[$_] eq $name } 0 .. $#$names;
    $head = substr($line, 0, $end, '');
  }
  if (defined $open && $line =~ $LAST_MOMENT) {
    pos($line) = 1;
    pass_value($line) for 1 .. $open;
    $line =~ s/\G$LAST_MOMENT(?=[,)])/'$open_end'/;
  }
  return $head . $line;
}

# Leaves off behind the next value of a row and its comma. Step by step, as the repetitions of an expression have a limit.
sub pass_value {
  until ($_[0] =~ /\G,/gc) {
    next if $_[0] =~ /\G[^',]+/gc;
    $_[0] =~ /\G'/gc or return;
    1 while $_[0] =~ /\G(?:[^'\\]+|\\.|'')/gcs;
    $_[0] =~ /\G'/gc;
  }
}

sub plain {
  my ($line) = @_;
  # a line of newer dumps that older clients take for a command
  return '' if $line =~ m{^/\*M?!999999\\- };
  return '' if names_database($line);
  # a server that took such a date makes zeros of it without this
  $line =~ s{^(/\*!\d+ SET \@OLD_SQL_MODE=\@\@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO)(?=' \*/;)}{$1,ALLOW_INVALID_DATES};
  if ($line =~ /^CREATE TABLE `((?:[^`]|``)*)` \(/) { $table = $1; $columns{$table} = [] }
  elsif ($line =~ /^  (`(?:[^`]|``)*`) /) {
    my $name = $1;
    push @{ $columns{$table} }, $name;
    $row_end{$table} = $name if $line =~ / GENERATED ALWAYS AS ROW END\b/;
    $line = with_own_sequences($line) if $line =~ /(?:nextval|lastval|setval)\(`/i;
  }
  elsif ($line =~ /^\) ENGINE=(\w+)/) {
    note(engine => $table, $1) unless $1 eq 'InnoDB';
    $line =~ s/ `?ENCRYPTED`?=\S+?(?=[ ;])| `?ENCRYPTION_KEY_ID`?=\d+| (?:DATA|INDEX) DIRECTORY='[^']*'//gi if $purpose eq 'rehearses';
  }
  elsif ($line =~ m{^/\*!50001 SET (character_set_client|collation_connection) += (\w+) \*/;}) { $view_session{$1} = $2 }
  elsif ($line =~ m{^/\*M!\d+ SET \@old_system_versioning_insert_history=}) {
    note('history') unless $has_history++;
    $is_historic = 1;
  }
  $line = in_staging($line);
  return $line unless $code_file;
  # what code is made under is set for it and for all else
  print $code_file $line if $line =~ m{^(?:/\*!\d+ )?(?:SET|ALTER DATABASE)\b};
  return $line =~ m{^(?:/\*!50003 DROP|ALTER DATABASE)\b} ? '' : $line;
}

sub put_code {
  if ($code_file) { print $code_file @_ }
  else { put(@_) }
}

# The sequences of a default, of which an expression may call several, are those beside the table. What stands in quotes is no call.
sub with_own_sequences {
  my ($line) = @_;
  $line =~ s{('(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`)|((?:nextval|lastval|setval)\()(`(?:[^`]|``)+`)\.}{
    defined $1 ? $1 : do { $has_sequence{$table} = 1; $2 . ($3 eq "`$its`" ? "`$quoted`" : $3) . '.' }}gei;
  return $line;
}

# Whether a line makes, drops or changes to a database. The one that it was dumped of is the staging one here, which is
# there, and stays.
sub names_database {
  my ($line) = @_;
  return 0 unless $line =~ m{^\s*(?:(USE)\b|(?:/\*!\d+\s*)?(?:CREATE|DROP)\s+(?:DATABASE|SCHEMA)\b)}i;
  my ($name) = $line =~ m{^\s*USE\s+(`(?:[^`]|``)*`|[^\s;`]+)\s*;?\s*$}i ? $1
    : $line =~ m{^\s*(?:/\*!\d+\s*)?(?:CREATE|DROP)\s+(?:DATABASE|SCHEMA)\b(?:\s|IF NOT EXISTS|IF EXISTS|/\*!\d+|\*/)*(`(?:[^`]|``)*`|\w+)[^;]*;\s*$}i ? $1
    : refuse("it changes to another database: $line");
  ($name = substr($name, 1, -1)) =~ s/``/`/g if $name =~ /^`/;
  $its_name //= $name;
  refuse("it holds more than one database, $its_name and $name: load the part between USE `$its_name` and the next USE alone") if $name ne $its_name;
  # what names a table or a sequence with its database means that one
  $its = $name =~ s/`/``/gr;
  return 1;
}

# Takes what stands in comments of versions, over several lines.
sub later {
  my ($what, $text) = @_;
  $text =~ s{^/\*!\d+ (.*?) ?\*/;?$}{$1}gms;
  $text =~ s{(`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*')|\s*\n}{ $1 // ' ' }gse;
  my ($name) = $text =~ / VIEW (`(?:[^`]|``)*`)/ or refuse('a view has a form that is not known: ' . substr($text, 0, 200));
  note($what, $name, @view_session{qw(character_set_client collation_connection)}, $text);
}

sub note {
  print $report join(' ', map { unpack 'H*', $_ // '' } @_), "\n";
}

sub in_staging {
  my ($text) = @_;
  $text =~ s/^ALTER DATABASE `(?:[^`]|``)*` (CHARACTER SET \w+ COLLATE \w+)/ALTER DATABASE `$quoted` $1/mg;
  return $text;
}

# Takes what stands between two DELIMITER lines.
sub code {
  my ($text) = in_staging($_[0]);
  if ($text =~ m{^/\*!50003 CREATE\*/ .*?/\*!50003 TRIGGER\b}ims) {
    my $start = $+[0];
    my $event = qr/(?:INSERT|UPDATE|DELETE)/i;
    my $rest = substr($text, $start);
    $rest =~ s{^($space+(?:IF$space+NOT$space+EXISTS$space+)?)(?:$word$space*\.$space*)?($word$space+(?:BEFORE|AFTER)$space+$event(?:$space+OR$space+$event)*(?:$space+OF$space.*?)?$space+ON$space+)(?:$word$space*\.$space*)?($word$space+FOR$space+EACH$space+ROW\b)}{$1$2$3}is
      or refuse('a trigger has a form that is not known: ' . substr($rest, 0, 200));
    $text = substr($text, 0, $start) . $rest;
  }
  if ($text =~ m{^/\*!50106 CREATE\*/ .*?/\*!50106 EVENT\b}ms) {
    $text =~ s{^(/\*!50106 CREATE\*/ /\*!50117 DEFINER=`(?:[^`]|``)*)`@`((?:[^`]|``)*)@([^`@]*`\*/)}{$1\@$2`@`$3}mg;
    note('event', $1) while $text =~ m{^/\*!50106 CREATE\*/ [^\n]*?/\*!50106 EVENT (`(?:[^`]|``)*`) ON SCHEDULE}mg;
    $text =~ s{^(/\*!50106 CREATE\*/ [^\n]*?/\*!50106 EVENT `(?:[^`]|``)*` ON SCHEDULE .*? ON COMPLETION (?:NOT )?PRESERVE) (ENABLE|DISABLE ON SLAVE|DISABLE)\b}{"$1 " . ($2 eq 'ENABLE' ? 'DISABLE ON SLAVE' : $2)}gmse
      or refuse('an event has a form that is not known');
  }
  return $text;
}

sub refuse {
  my ($why) = @_;
  chomp $why;
  print STDERR "this dump is not loaded: $why\n";
  kill $_, $pid for qw(TERM CONT);
  waitpid $pid, 0;
  exit 1;
}

sub put {
  my $done = 0;
  my $length = length $_[0];
  while ($done < $length) {
    my $written = syswrite($out, $_[0], $length - $done, $done);
    finish(1) unless defined $written;
    $done += $written;
  }
}

# Takes whether the client has left before the end.
sub finish {
  my ($is_early) = @_;
  close $report or die "$later: $!\n";
  if ($code_file) { close $code_file or die "$apart: $!\n" }
  close $out;
  kill $? & 127, $$ if $? & 127;
  exit($? >> 8 || ($is_early ? 1 : 0));
}

# A process that was stopped takes the end only once it goes on.
sub end_both {
  kill $_, $pid for qw(TERM CONT);
  waitpid $pid, 0;
  $SIG{$told} = 'DEFAULT';
  kill $told, $$;
}
