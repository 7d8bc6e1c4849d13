# Cuts a plain dump of pg_dump's into members, each compressed by itself, that can be read and loaded each by itself: what comes
# before the first rows; the rows of a large table, or of several small ones; what is built upon them. Together they are the dump,
# byte for byte. Written are frames: four bytes that say how many follow, most significant first, and those; none ends a member.
# Says on standard error of each, as it ends: MEMBER <bytes> <pre-data|data|post-data> <rows|more>, more where it holds something
# else than rows; of a setting of the session's that is in force where rows begin SETTING <in hexadecimal>; and UNFIT where rows
# came after what is built upon tables.
# For dump-meter.pl, which knows where lines, statements and rows begin and end.
package MemberWriter;
use strict;
use warnings;
use Config;

my ($EINTR, $WNOHANG) = (4, 1);

my $PIECE_BYTES = 1 << 18;
# What stands between rows; from PostgreSQL 17 on, what makes large objects, too.
my $DATA = qr/^(?:SELECT pg_catalog\.(?:setval|lo_open|lowrite|lo_close)\(|BEGIN;$|COMMIT;$)/;
my $LARGE_OBJECT = qr/^(?:SELECT pg_catalog\.lo_create\(|(?:ALTER|COMMENT ON) LARGE OBJECT )/;
my $SETTING = qr/^(?:SET \w+ = [^\n]*|SELECT pg_catalog\.set_config\([^\n]*\));\n$/;

# large, group: bytes from which on a table has a member of its own, and up to which others share one; command: what compresses.
sub new {
  my ($class, $large, $group, @command) = @_;
  my $self = bless {
    large => $large,
    group => $group,
    command => \@command,
    section => 'pre-data',
    # what is not written yet, and how much of its beginning belongs to what came before, whatever follows
    held => '',
    own => 0,
    # of the table whose rows pass: undecided, large or plain
    table => '',
    # of the member that is open
    to => undef,
    # who compress and write members, the earliest first, and what says that the latest of them has written its own
    writers => [],
    turn => undef,
    size => 0,
    more => 0,
    # how those who are no more have ended
    ended => {},
  }, $class;
  # told at once: who waits for a dump that waits for a lock would notice hours later
  $SIG{CHLD} = sub {
    local ($!, $?);
    while ((my $pid = waitpid(-1, $WNOHANG)) > 0) {
      $self->{ended}{$pid} = $?;
      assert_well($?);
    }
  };
  return $self;
}

# Takes a line that is no row. is_first: it begins a statement, or stands outside of all; is_copy: it belongs to the head of rows;
# begins_rows: it ends that.
sub line {
  my ($self, $line, $is_first, $is_copy, $begins_rows) = @_;
  if ($begins_rows) {
    $self->begin_section('data') if $self->{section} eq 'pre-data';
    $self->give($self->{own});
    if ($self->{section} eq 'post-data') {
      print STDERR "UNFIT\n";
      $self->{table} = 'plain';
      $self->give(length $self->{held});
    } else {
      $self->{table} = 'undecided';
    }
    $self->{held} .= $line;
    return;
  }
  # what introduces something goes with it
  if ($is_copy || ($is_first && $line =~ /^(?:--|\n)/)) {
    $self->{held} .= $line;
    return;
  }
  if ($is_first && $self->{section} ne 'post-data') {
    if ($line =~ $DATA || $self->{section} eq 'data' && $line =~ $LARGE_OBJECT) {
      $self->begin_section('data') if $self->{section} eq 'pre-data';
      $self->{is_more} = 1;
    } elsif ($self->{section} eq 'data') {
      $self->begin_section('post-data');
    } elsif ($line =~ $SETTING) {
      print STDERR 'SETTING ', unpack('H*', $line), "\n";
    }
  }
  $self->{held} .= $line;
  $self->{own} = length $self->{held};
  $self->give($self->{own}) if $self->{own} >= $PIECE_BYTES;
}

# Takes bytes of rows, up to their end or not. What is done when they have ended is done by end_rows.
sub rows {
  my ($self, $chunk, $at, $length, $is_over) = @_;
  if ($self->{table} ne 'undecided') {
    $self->give(length $self->{held});
    $self->write_out($chunk, $at, $length);
    return;
  }
  $self->{held} .= substr($$chunk, $at, $length);
  if (length $self->{held} >= $self->{large}) {
    $self->end_member();
    $self->{table} = 'large';
    $self->give(length $self->{held});
  } elsif ($is_over) {
    $self->give(length $self->{held});
  }
}

sub end_rows {
  my ($self) = @_;
  my $is_full = $self->{table} eq 'large' || $self->{table} eq 'undecided' && $self->{size} >= $self->{group};
  $self->end_member() if $is_full;
  $self->{table} = '';
}

sub begin_section {
  my ($self, $section) = @_;
  $self->give($self->{own});
  $self->end_member();
  $self->{section} = $section;
}

# The dump has ended.
sub finish {
  my ($self) = @_;
  $self->begin_section('post-data') if $self->{section} eq 'data';
  $self->give(length $self->{held});
  $self->end_member();
  $self->reap(0);
}

# Writes what is held, from its beginning.
sub give {
  my ($self, $length) = @_;
  $self->{own} = 0;
  return if $length == 0;
  my $text = substr($self->{held}, 0, $length, '');
  $self->write_out(\$text, 0, $length);
}

sub write_out {
  my ($self, $text, $at, $length) = @_;
  $self->begin_member() if !defined $self->{to};
  if ($self->{is_more}) {
    $self->{more} = 1;
    $self->{is_more} = 0;
  }
  $self->{size} += $length;
  if (!@{ $self->{command} }) {
    write_all($self->{to}, pack('N', $length), 0, 4);
    return write_all($self->{to}, $$text, $at, $length);
  }
  local $SIG{PIPE} = 'IGNORE';
  return if eval { write_all($self->{to}, $$text, $at, $length); 1 };
  my $error = $@;
  close $self->{to};
  $self->reap(0);
  die $error;
}

sub begin_member {
  my ($self) = @_;
  ($self->{size}, $self->{more}) = (0, 0);
  if (!@{ $self->{command} }) {
    $self->{to} = \*STDOUT;
    return;
  }
  # one compresses what it has left while the next begins
  $self->reap(1);
  pipe(my $from, my $to) or die "pipe: $!\n";
  pipe(my $next, my $done) or die "pipe: $!\n";
  fcntl($to, 1031, 1 << 20);
  my $pid = fork() // die "fork: $!\n";
  if ($pid == 0) {
    $SIG{CHLD} = 'DEFAULT';
    close $_ for $to, $next;
    frame_compressed($from, $self->{turn}, @{ $self->{command} });
    write_all($done, 'k', 0, 1);
    exit 0;
  }
  close $_ for $from, $done;
  close $self->{turn} if defined $self->{turn};
  ($self->{to}, $self->{turn}) = ($to, $next);
  push @{ $self->{writers} }, $pid;
}

# In a process of its own: writes in frames what the compressor makes of what it reads, when those before it have been written.
sub frame_compressed {
  my ($from, $turn, @command) = @_;
  # not ours to hold: who writes to it has to notice that nobody reads
  open(STDIN, '<&', $from) or die "reading: $!\n";
  close $from;
  open(my $compressed, '-|', @command) or die "$command[0]: $!\n";
  close STDIN;
  fcntl($compressed, 1031, 1 << 20);
  # the one before has failed, and has said why
  exit 1 if defined $turn && !sysread($turn, my $byte, 1);
  my $frame = '';
  while (1) {
    my $length = sysread($compressed, $frame, 1 << 20, 4);
    defined $length or die "reading: $!\n";
    last if $length == 0;
    substr($frame, 0, 4) = pack('N', $length);
    write_all(\*STDOUT, $frame, 0, $length + 4);
  }
  close($compressed) or die "$command[0] ", described($?), "\n";
  write_all(\*STDOUT, pack('N', 0), 0, 4);
}

sub end_member {
  my ($self) = @_;
  return if !defined $self->{to};
  @{ $self->{command} } ? close $self->{to} : write_all($self->{to}, pack('N', 0), 0, 4);
  $self->{to} = undef;
  print STDERR join(' ', 'MEMBER', $self->{size}, $self->{section}, $self->{more} ? 'more' : 'rows'), "\n";
}

# Waits until only so many still write.
sub reap {
  my ($self, $left) = @_;
  local $SIG{CHLD} = 'DEFAULT';
  while (@{ $self->{writers} } > $left) {
    my $pid = shift @{ $self->{writers} };
    assert_well(waitpid($pid, 0) == $pid ? $? : delete $self->{ended}{$pid});
  }
}

# Their own words, which stand before these, say why one failed.
sub assert_well {
  my ($status) = @_;
  # by what it wrote to having gone
  die "writing: Broken pipe\n" if ($status & 127) == 13;
  die 'what compresses ', described($status), "\n" if $status != 0;
}

sub described {
  my ($status) = @_;
  my $signal = $status & 127;
  return $signal ? 'was ended by SIG' . (split / /, $Config{sig_name})[$signal] : 'exited with ' . ($status >> 8);
}

sub write_all {
  my ($to, $text, $at, $length) = @_;
  for (my $done = 0; $done < $length;) {
    my $written = syswrite($to, $text, $length - $done, $at + $done);
    next if !defined $written && $! == $EINTR;
    defined $written or die "writing: $!\n";
    $done += $written;
  }
}

1;
