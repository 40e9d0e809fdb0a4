package Contract;

# The Perl peers' end of the contract in ../../README.md: events out on stdout, commands in on stdin,
# and the loop over stdin and sockets that calls whoever owns what is ready.

use strict;
use warnings;
use Exporter 'import';
use IO::Handle;
use IO::Select;
use JSON::PP ();

our @EXPORT_OK = qw(tell_runner watch forget when_writable run);

my $json    = JSON::PP->new->utf8->canonical;
my $readers = IO::Select->new;
my $writers = IO::Select->new;
my %owners;

STDOUT->autoflush(1);

# A peer that is gone is an error of the write, not the end of this program.
$SIG{PIPE} = 'IGNORE';

# Tells the runner what this peer saw.
sub tell_runner {
    my (%event) = @_;
    print $json->encode(\%event), "\n";
}

# Calls `readable` of the owner when the handle is.
sub watch {
    my ($handle, $owner) = @_;
    $owners{ fileno $handle } = $owner;
    $readers->add($handle);
}

# Calls `writable` of the owner, once, when the handle is.
sub when_writable {
    my ($handle) = @_;
    $writers->add($handle);
}

sub forget {
    my ($handle) = @_;
    $readers->remove($handle);
    $writers->remove($handle);
    delete $owners{ fileno $handle };
}

# Calls `commands->{do}->(command)` for each line until stdin ends.
sub run {
    my ($commands) = @_;
    watch(\*STDIN, Contract::Commands->new($commands));
    while (1) {
        my ($readable, $writable) = IO::Select->select($readers, $writers);
        for my $handle (@{ $writable || [] }) {
            $writers->remove($handle);
            $owners{ fileno $handle }->writable;
        }
        for my $handle (@{ $readable || [] }) {
            # The owner of another handle may have closed this one.
            my $number = fileno $handle;
            $owners{$number}->readable if defined $number && $owners{$number};
        }
    }
}

package Contract::Commands;

use Errno qw(EINTR);

sub new {
    my ($class, $commands) = @_;
    return bless { commands => $commands, unread => '' }, $class;
}

sub readable {
    my ($self) = @_;
    my $count = sysread STDIN, $self->{unread}, 1 << 16, length $self->{unread};
    return if !defined $count && $!{EINTR};
    exit 0 unless $count;
    while ($self->{unread} =~ s/\A([^\n]*)\n//) {
        my $command = $json->decode($1);
        $self->{commands}{ $command->{do} }->($command);
    }
}

1;
