package Session;

# One connection of a Perl peer, whichever end it is. Handshake, keys and frames are the library's;
# here are the socket, the order of a closing, and what the runner is told.
#
# A subclass says what it does when the head of the other side is whole (`opened`, which is true when
# the conversation goes on) or wrong (`refused`), and may do more about a `message` or the end.

use strict;
use warnings;
use Contract qw(tell_runner watch forget when_writable);
use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use MIME::Base64 qw(decode_base64 encode_base64);

# The library's names of the drafts.
our %DRAFT = (
    'hixie-75' => 'draft-hixie-75',
    'hixie-76' => 'draft-ietf-hybi-00',
    'hybi-08'  => 'draft-ietf-hybi-10',
    'rfc6455'  => 'draft-ietf-hybi-17',
);

# By itself the library takes 64 KiB in a frame and 127 frames in a message.
my @UNLIMITED = (max_payload_size => 0, max_fragments_amount => 1 << 20);

sub new {
    my ($class, %given) = @_;
    my $self = bless { %given, unsent => '', frames => undef, how => 'tcp', code => 1006, reason => '' }, $class;
    $self->{hixie} = $given{dialect} =~ /^hixie/;
    $self->{socket}->blocking(0);
    watch($self->{socket}, $self);
    return $self;
}

sub send_text {
    my ($self, $text) = @_;
    utf8::encode($text);
    $self->send_frame(text => $text);
}

sub send_binary {
    my ($self, $base64) = @_;
    $self->send_frame(binary => decode_base64($base64));
}

sub send_ping {
    my ($self, $base64) = @_;
    $self->send_frame(ping => decode_base64($base64));
}

# Hixie-75 has no closing handshake; Hixie-76 has one without code and reason.
sub close {
    my ($self, $code, $reason) = @_;
    $self->{how} = 'own';
    return $self->leave if $self->{dialect} eq 'hixie-75';
    $self->{said_close} = 1;
    utf8::encode($reason);
    $self->send_frame(close => $self->{hixie} ? '' : pack('n', $code) . $reason);
}

# Ends its half of TCP when all is sent; the connection is over when the other half has ended.
sub leave {
    my ($self) = @_;
    $self->{leaving} = 1;
    when_writable($self->{socket});
}

# Ends TCP as it is.
sub drop {
    my ($self) = @_;
    forget($self->{socket});
    $self->{socket}->close;
    $self->ended;
}

sub send_frame {
    my ($self, $type, $payload) = @_;
    $self->send_bytes($self->{handshake}->build_frame(type => $type, buffer => $payload, @UNLIMITED)->to_bytes);
}

# Queued, so that all that comes of one event leaves in one write.
sub send_bytes {
    my ($self, $bytes) = @_;
    return unless $self->{socket}->opened;
    $self->{unsent} .= $bytes;
    when_writable($self->{socket});
}

sub writable {
    my ($self) = @_;
    my $count = syswrite $self->{socket}, $self->{unsent};
    if (!defined $count) {
        return when_writable($self->{socket}) if passing();
        return $self->fail("write: $!");
    }
    substr $self->{unsent}, 0, $count, '';
    return when_writable($self->{socket}) if length $self->{unsent};
    shutdown $self->{socket}, 1 if $self->{leaving};
}

sub readable {
    my ($self) = @_;
    my $count = sysread $self->{socket}, my $bytes, 1 << 16;
    if (!defined $count) {
        return if passing();
        return $self->fail("read: $!");
    }
    return $self->drop unless $count;
    return if $self->{deaf};
    # The library dies of what it cannot read.
    eval { $self->receive($bytes); 1 } or $self->fail($@);
}

sub receive {
    my ($self, $bytes) = @_;
    if (!$self->{frames}) {
        # Leaves in `$bytes` what is behind the head.
        my $handshake = $self->{handshake};
        $handshake->parse($bytes) or return $self->refused($handshake->error);
        return unless $handshake->is_done;
        $self->opened or return;
        $self->{frames} = $handshake->build_frame(@UNLIMITED);
    }
    $self->{frames}->append($bytes);
    while (!$self->{deaf} && defined(my $payload = $self->{frames}->next_bytes)) {
        $self->heard($payload);
    }
}

sub heard {
    my ($self, $payload) = @_;
    my $frame = $self->{frames};
    return $self->heard_close($payload) if $frame->is_close;
    return $self->send_frame(pong => $payload) if $frame->is_ping;
    return $self->told('pong', base64 => encode_base64($payload, '')) if $frame->is_pong;
    $self->message($frame->is_binary ? 'binary' : 'text', $payload);
}

sub heard_close {
    my ($self, $payload) = @_;
    # What comes behind a close does not count.
    $self->{deaf} = 1;
    if ($self->{hixie}) {
        $self->{how} = 'ff00' if $self->{how} eq 'tcp';
    }
    else {
        $self->{code}   = length $payload ? unpack('n', $payload) : 1005;
        $self->{reason} = length $payload ? text(substr $payload, 2) : '';
    }
    $self->send_frame(close => substr($payload, 0, 2)) unless $self->{said_close};
    $self->leave if $self->{hixie} || $self->{first_to_leave};
}

sub message {
    my ($self, $type, $payload) = @_;
    $self->told('message', $type => $type eq 'binary' ? encode_base64($payload, '') : text($payload));
}

sub ended {
    my ($self) = @_;
    $self->told('close', $self->{hixie} ? () : (code => $self->{code}, reason => $self->{reason}));
}

sub fail {
    my ($self, $why) = @_;
    $self->told('note', note => $why);
    $self->drop;
}

sub told {
    my ($self, $event, %fields) = @_;
    tell_runner(event => $event, defined $self->{id} ? (id => $self->{id}) : (), %fields);
}

# Not the library's `next`, which makes U+FFFD of a U+FFFF.
sub text {
    my ($bytes) = @_;
    utf8::decode($bytes) or die "not UTF-8\n";
    return $bytes;
}

# The error of the last call asks for another try.
sub passing { return $!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR} }

1;
