# Somebody else on the machine: listens at an address as soon as it is free, writes down every byte that comes and answers.
# Ends by SIGTERM, once it has taken all that had come by then.
use strict;
use IO::Select;
use IO::Socket::INET;

my ($ip, $port) = @ARGV;
my $over = 0;
$SIG{TERM} = sub { $over = 1 };
$| = 1;
print "trying\n";
my $listener;
until ($listener) {
    exit 0 if $over;
    $listener = IO::Socket::INET->new(LocalAddr => $ip, LocalPort => $port, Listen => 1024, ReuseAddr => 1);
}
print "listening\n";
my $all = IO::Select->new($listener);
while (1) {
    my @ready = $all->can_read($over ? 0 : 0.02);
    last if $over && !@ready;
    for my $ready (@ready) {
        if ($ready == $listener) { my $new = $listener->accept; $all->add($new) if $new; next; }
        if (sysread($ready, my $got, 65536)) {
            print "got $got\n";
            syswrite($ready, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmine!\n");
            next;
        }
        $all->remove($ready);
        close($ready);
    }
}
