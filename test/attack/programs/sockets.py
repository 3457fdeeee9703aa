"""Every family of sockets, and names on the network."""


def make(family, kind, target=None):
    def run():
        with socket.socket(family, kind) as made:
            made.settimeout(1)
            if target is not None:
                made.connect(target)
            return "made"

    return run


# Nobody listens: whether a socket can be had at all is what counts.
attempt("TCP", make(socket.AF_INET, socket.SOCK_STREAM))
attempt("TCP over IPv6", make(socket.AF_INET6, socket.SOCK_STREAM))
attempt("UDP", make(socket.AF_INET, socket.SOCK_DGRAM))
attempt("raw IP", make(socket.AF_INET, socket.SOCK_RAW, ("127.0.0.1", 0)))
attempt("packets", make(socket.AF_PACKET, socket.SOCK_RAW))
attempt("netlink", make(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("virtual machine socket", make(40, socket.SOCK_STREAM))
attempt("kernel cryptography socket", make(38, socket.SOCK_SEQPACKET))
attempt("Bluetooth", make(31, socket.SOCK_RAW))
attempt("unix socket, abstract", make(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + GIVEN["socket"]))
attempt("unix socket, path", make(socket.AF_UNIX, socket.SOCK_STREAM, GIVEN["socket"]))
attempt("listen on this machine", make(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", GIVEN["port"])))
attempt("name server", lambda: socket.getaddrinfo("localhost.localdomain", 443, socket.AF_INET))
