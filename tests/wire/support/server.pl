# A small HTTP server as a customer may have one: it knows nothing of Parvis but SOCKET or ADDRESS, and handles no signal
# unless it is told to. Writes its process id into the file `starts` of its home.
use strict;
use IO::Select;
use IO::Socket::UNIX;
use IO::Socket::INET;

my $mode = $ENV{MODE} // '';
open(my $starts, '>>', "$ENV{HOME}/starts") or die "no home: $!";
syswrite($starts, "$$\n");
close($starts);
if ($mode eq 'fail') { print STDERR "Error: Cannot find module 'express'\n"; exit 1; }
if ($mode eq 'never') { print STDERR "waiting for a database\n"; sleep(1000); }
if ($mode eq 'stubborn') { $SIG{TERM} = 'IGNORE'; }
if ($mode eq 'child') { if (fork() == 0) { $SIG{TERM} = 'IGNORE'; sleep 1 while 1; } }
my $renewals = 0;
if ($mode eq 'renews') { $SIG{USR2} = sub { $renewals++ }; }
if ($mode eq 'renews and hangs') { $SIG{USR2} = sub { sleep 1000 while 1 }; }
if ($mode eq 'grandchildren') {
    # A child and its child, and one whose parent has gone: none of them ends when it is asked to.
    pipe(my $told, my $tell) or die;
    for my $stays (1, 0) {
        if (my $child = fork()) {
            # Who does not stay has told of his child before he has quite gone himself.
            waitpid($child, 0) unless $stays;
            next;
        }
        exit 0 if fork() && !$stays;
        $SIG{TERM} = 'IGNORE';
        syswrite($tell, "$$\n");
        sleep 1 while 1;
    }
    open(my $family, '>', "$ENV{HOME}/family") or die "no home: $!";
    print $family scalar(<$told>) for 1 .. 3;
    close($family);
}
if ($mode =~ /gate/) { select(undef, undef, undef, 0.005) until -e "$ENV{HOME}/gate"; }
if ($mode =~ /^late:(.*)/) { select(undef, undef, undef, $1); }
my $listener = $ENV{SOCKET}
    ? IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $ENV{SOCKET}, Listen => 1024)
    : IO::Socket::INET->new(LocalAddr => $ENV{IP}, LocalPort => $ENV{PORT}, Listen => 1024, ReuseAddr => 1,
        $mode =~ /shares/ ? (ReusePort => 1) : ());
die "cannot listen: $!" unless $listener;
my $all = IO::Select->new($listener);
my %got;
while (1) {
    for my $ready ($all->can_read) {
        if ($ready == $listener) { my $new = $listener->accept; $all->add($new) if $new; next; }
        if (!sysread($ready, $got{$ready}, 65536, length($got{$ready} // ''))) {
            delete $got{$ready}; $all->remove($ready); close($ready); next;
        }
        while ($got{$ready} =~ s/^(\w+) (\S+) HTTP\/1\.1\r\n.*?\r\n\r\n//s) {
            my $path = $2;
            if ($path eq '/die') { print STDERR "out of ideas\n"; exit 3; }
            if ($path eq '/stall') { next; }
            if ($path eq '/hang') { sleep 1000 while 1; }
            # Takes no connection any more, and lives on.
            if ($path eq '/leave') { $all->remove($listener); close($listener); }
            if ($path eq '/slow') { select(undef, undef, undef, 0.05); }
            my $body = $path eq '/env' ? join('', map { "$_=$ENV{$_}\n" } sort keys %ENV)
                : $path eq '/renewals' ? "$$ $renewals\n" : "$$\n";
            my $status = $path eq '/health' && -e "$ENV{HOME}/sick" ? '503 No' : '200 OK';
            my $answer = "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
            syswrite($ready, $answer);
        }
    }
}
