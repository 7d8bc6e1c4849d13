#!/usr/bin/env perl
# moving-tar.pl CHANGES TAR [ARGUMENT…]: runs a tar that writes an archive to this standard output. What it says of files
# that moved while it read them is no failure: their names go into the file CHANGES, the total first. All else that it says
# is said here, and its exit status is this one's.
use strict;
use warnings;
use Config;

use constant KEPT => 20;
# how tar says so; it exits with 1 then, and the archive is whole
my $changed = qr/^(.*): (?:file changed as we read it|File removed before we read it|File shrank by \d+ bytes?; padding with zeros|Directory is new|Directory has been renamed from .*|Cannot (?:stat|open|read|readlink): No such file or directory)$/;

my ($changes, @command) = @ARGV;
pipe(my $messages, my $to) or die "pipe: $!\n";
my ($pid, $told);
for my $name (qw(TERM INT HUP)) {
  $SIG{$name} = sub { $told = $name; end_both() if $pid };
}
$pid = fork;
defined $pid or die "fork: $!\n";
if ($pid == 0) {
  $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);
  open(STDERR, '>&', $to) or exit 127;
  exec { $command[0] } @command or do { print STDERR "$command[0]: $!\n"; exit 127 };
}
close $to;
# the reader of the archive sees its end when tar ends
close STDOUT;
# told so before there was anything else to end
end_both() if $told;

my (%names, @names, @others);
my ($others, $sockets) = (0, 0);
while (my $line = <$messages>) {
  chomp $line;
  $line =~ s/^\S*tar: //;
  if ($line =~ $changed) {
    next if $names{$1}++;
    push @names, $1 if @names < KEPT;
  } elsif ($line =~ /: (?:socket|door) ignored$/) {
    # a place at which a program listens, and no data: said, and no reason to fail beside a file that moved
    print STDERR "$line\n" if $sockets++ < KEPT;
  } elsif ($line ne '' && $line !~ /^Exiting with failure status/) {
    $others++;
    push @others, $line if @others < KEPT;
  }
}
waitpid $pid, 0;
my ($status, $signal) = ($? >> 8, $? & 127);
push @others, '… and ' . ($others - @others) . ' more lines' if $others > @others;
print STDERR "$_\n" for @others;
if ($signal) {
  print STDERR 'tar was ended by SIG', (split ' ', $Config{sig_name})[$signal], "\n";
  exit 2;
}
my $total = keys %names;
if ($total) {
  open(my $file, '>', $changes) or die "$changes: $!\n";
  print $file join("\n", $total, @names), "\n";
  close $file or die "$changes: $!\n";
}
# what a list of names has and is gone by now is an error to it, and to us as good as what it would have found by itself
my $moved = $status == 1 || $status == 2 && grep { $_ eq '--files-from=-' } @command;
exit($moved && $total && !$others ? 0 : $status);

# A process that was stopped takes the end only once it goes on.
sub end_both {
  kill $_, $pid for qw(TERM CONT);
  waitpid $pid, 0;
  $SIG{$told} = 'DEFAULT';
  kill $told, $$;
}
