#!/usr/bin/env perl
# Client peer: Perl's Protocol::WebSocket, in the dialect that is its argument: `hixie-75`,
# `hixie-76`, `hybi-08` or `rfc6455`.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/perl";
use Contract qw(tell_runner forget run);
use IO::Socket::INET;
use IO::Socket::SSL;
use Protocol::WebSocket;
use Protocol::WebSocket::Handshake::Client;
use Session;

my $ORIGIN  = 'http://interop.example';
my $DIALECT = $ARGV[0] // '';
my $DRAFT   = $Session::DRAFT{$DIALECT} or die "no such dialect: '$DIALECT'\n";

my $session;

sub open_connection {
    my ($command) = @_;
    my ($tls, $host, $port) = $command->{url} =~ m{^ws(s?)://([^:/]+):(\d+)} or die "no such address: $command->{url}\n";
    my $handshake = Protocol::WebSocket::Handshake::Client->new(url => $command->{url}, version => $DRAFT);
    $handshake->req->origin($ORIGIN);
    $handshake->req->subprotocol($command->{protocol}) if $command->{protocol};
    $handshake->req->cookies($command->{cookie}) if $command->{cookie};
    my $kind = $tls ? 'IO::Socket::SSL' : 'IO::Socket::INET';
    my $socket = $kind->new(PeerAddr => $host, PeerPort => $port, Proto => 'tcp');
    return tell_runner(event => 'note', note => "connect: $@") unless $socket;
    $session = Client->new(socket => $socket, handshake => $handshake, dialect => $DIALECT);
    $session->send_bytes($handshake->to_string);
}

# Leaves the connection without a word of its end.
sub reset_peer {
    if ($session && $session->{socket}->opened) {
        forget($session->{socket});
        $session->{socket}->close;
    }
    undef $session;
    tell_runner(event => 'reset');
}

package Client {
    use parent -norequire, 'Session';

    sub opened {
        my ($self) = @_;
        my $answer = $self->{handshake}->res;
        $self->told('open', protocol => $answer->subprotocol // '', cookies => $answer->field('Set-Cookie') // '');
        return 1;
    }

    sub refused {
        my ($self, $why) = @_;
        $self->fail($why);
    }
}

my @can = $DIALECT =~ /^hixie/ ? ('abort', 'reset') : ('binary', 'abort', 'ping', 'reset');
tell_runner(
    event   => 'ready',
    peer    => "Protocol::WebSocket $Protocol::WebSocket::VERSION",
    dialect => $DIALECT,
    origin  => $ORIGIN,
    can     => \@can,
);

run({
    open   => \&open_connection,
    send   => sub { $session->send_text($_) for @{ $_[0]{texts} } },
    binary => sub { $session->send_binary($_[0]{base64}) },
    ping   => sub { $session->send_ping($_[0]{base64}) },
    close  => sub { $session->close(@{ $_[0] }{qw(code reason)}) },
    abort  => sub { $session->drop },
    reset  => \&reset_peer,
});
