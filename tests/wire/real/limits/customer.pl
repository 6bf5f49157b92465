# A customer's server that does what it should not, when it is asked to. One connection at a time, one request each.
use strict;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();

my $listener = $ENV{SOCKET}
    ? IO::Socket::UNIX->new(Local => $ENV{SOCKET}, Listen => 64)
    : IO::Socket::INET->new(LocalAddr => $ENV{IP}, LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1);
die "cannot listen: $!" unless $listener;
my ($client, @held);

my %does = (
    # Who is it, and where?
    who => sub {
        open(my $cgroup, '<', '/proc/self/cgroup') or die "no /proc: $!";
        chomp(my $line = <$cgroup>);
        return "pid=$$\nuid=$<\ngroups=$(\ncgroup=$line\n";
    },
    # Takes memory without end.
    eat => sub { take(1 << 40) },
    # Has a child that does, and tells by which signal that ends.
    feed => sub {
        my $fed = child(sub { take(1 << 40) });
        waitpid($fed, 0);
        return "signal=" . ($? & 127) . "\n";
    },
    # Takes more than half of what there is, and keeps it.
    hold => sub { take(40 << 20) . "\n" },
    # Forks without end, and so do all its children.
    bomb => sub {
        return child(sub {
            while (1) { select(undef, undef, undef, 0.05) unless defined fork(); }
        });
    },
    # Leaves a process behind that is in another group and session than it, and does not listen to SIGTERM.
    leave => sub {
        pipe(my $told, my $tell);
        my $between = fork() // die "no child: $!";
        if (!$between) {
            POSIX::setsid();
            $SIG{TERM} = $SIG{HUP} = 'IGNORE';
            my $left = child(sub { sleep(1) while 1 });
            syswrite($tell, $left);
            POSIX::_exit(0);
        }
        waitpid($between, 0);
        close($tell);
        return <$told>;
    },
    # Tries to speak to somebody's socket.
    connect => sub {
        my $stream = IO::Socket::UNIX->new(Peer => $_[0]);
        return $stream ? "connected\n" : "$!\n";
    },
    # Listens at a port, and writes down who comes and what he says.
    squat => sub {
        my $squat = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $_[0], Listen => 64, ReuseAddr => 1)
            or return "$!\n";
        open(my $heard, '>>', "$ENV{HOME}/heard") or die "no home: $!";
        return child(sub {
            while (my $visitor = $squat->accept) {
                syswrite($heard, "somebody came\n");
                while (sysread($visitor, my $said, 4096)) { syswrite($heard, $said); }
            }
        });
    },
);

while ($client = $listener->accept) {
    my $request = '';
    while ($request !~ /\r\n\r\n/ && sysread($client, $request, 4096, length($request))) { }
    my ($word, $rest) = $request =~ m{^GET /(\w+)\??(\S*) } or next;
    my $body = $does{$word}->($rest);
    my $length = length($body);
    syswrite($client, "HTTP/1.1 200 OK\r\nContent-Length: $length\r\nConnection: close\r\n\r\n$body");
}

# Takes so many bytes.
sub take {
    my ($bytes, $piece) = (shift, 1 << 20);
    for (my $taken = 0; $taken < $bytes; $taken += $piece) { push(@held, 'x' x $piece); }
    return scalar(@held) . " MB";
}

# A process that holds none of the server's sockets, and never comes back. Its number.
sub child {
    my $pid = fork() // die "no child: $!";
    return "$pid\n" if $pid;
    close($_) for $listener, $client;
    shift->();
    POSIX::_exit(1);
}
