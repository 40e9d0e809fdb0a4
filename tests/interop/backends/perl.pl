#!/usr/bin/env perl
# Backend peer: Perl's Protocol::WebSocket. Argument: the one dialect it serves, `hixie-75`,
# `hixie-76`, `hybi-08` or `rfc6455`; the library would take any, so the others are refused here.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../clients/perl";
use Contract qw(tell_runner watch run);
use IO::Socket::INET;
use Protocol::WebSocket;
use Protocol::WebSocket::Handshake::Server;
use Session;

my $SUBPROTOCOL = 'interop.v1';
my @COOKIE      = (name => 'interop_backend', value => 'oven');
my $REFUSAL     = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

my $DIALECT = $ARGV[0] // '';
my $DRAFT   = $Session::DRAFT{$DIALECT} or die "no such dialect: '$DIALECT'\n";
# The library calls every version but 13 the draft of version 8.
my $VERSION = { 'hybi-08' => '8', 'rfc6455' => '13' }->{$DIALECT} // '';

my %sessions;

package Listener {
    sub readable {
        my ($self) = @_;
        my $socket = $$self->accept or return;
        # RFC 6455, 7.1.1: the server ends TCP first.
        Served->new(
            socket         => $socket,
            handshake      => Protocol::WebSocket::Handshake::Server->new,
            dialect        => $DIALECT,
            first_to_leave => 1,
        );
    }
}

package Served {
    use parent -norequire, 'Session';

    sub opened {
        my ($self) = @_;
        my ($request, $answer) = @{ $self->{handshake} }{qw(req res)};
        my $version = $request->field('Sec-WebSocket-Version') // '';
        return $self->refused($request->version . " $version") if $request->version ne $DRAFT || $version ne $VERSION;

        my ($protocol) = grep { $_ eq $SUBPROTOCOL } split /,\s*/, $request->subprotocol // '';
        $answer->subprotocol($protocol) if $protocol;
        $answer->cookie(@COOKIE);

        $self->{id} = 1 + keys %sessions;
        $sessions{ $self->{id} } = $self;
        $self->told(
            'open',
            target   => $request->resource_name,
            host     => $request->host,
            origin   => $request->origin // '',
            cookie   => $request->field('Cookie') // '',
            protocol => $protocol // '',
        );
        $self->send_bytes($self->{handshake}->to_string);
        my ($greeting) = $request->resource_name =~ /[?&]greet=([^&]*)/;
        $self->send_frame(text => $greeting =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger) if defined $greeting;
        return 1;
    }

    sub refused {
        my ($self, $why) = @_;
        $self->{deaf} = 1;
        $self->told('note', note => "refused: $why");
        $self->send_bytes($REFUSAL);
        $self->leave;
        return 0;
    }

    sub message {
        my ($self, $type, $payload) = @_;
        $self->SUPER::message($type, $payload);
        $self->send_frame($type => $payload);
    }

    sub ended {
        my ($self) = @_;
        # One that was refused has no end to tell.
        return unless $self->{id};
        return $self->told('close', how => $self->{how}) if $self->{hixie};
        $self->SUPER::ended;
    }
}

my $listener = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "listen: $@\n";
watch($listener, bless \$listener, 'Listener');

my @can = $DIALECT =~ /^hixie/ ? () : ('binary', 'ping');
tell_runner(
    event   => 'ready',
    peer    => "Protocol::WebSocket $Protocol::WebSocket::VERSION",
    dialect => $DIALECT,
    port    => $listener->sockport,
    can     => \@can,
);

run({
    send  => sub { $sessions{ $_[0]{id} }->send_text($_[0]{text}) },
    ping  => sub { $sessions{ $_[0]{id} }->send_ping($_[0]{base64}) },
    close => sub { $sessions{ $_[0]{id} }->close(@{ $_[0] }{qw(code reason)}) },
});
