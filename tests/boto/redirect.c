/* Keeps both sides of the differential test on this machine.
 *
 * Loaded by LD_PRELOAD. Every connection to an address that is not the loopback's goes to 127.0.0.1 on the port that
 * REDIRECT_PORT names, where the recorder answers in its place; every name has an address. So the metadata services have their real
 * addresses, AWS its real names, and no name server and no root is needed. Without REDIRECT_PORT nothing changes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static unsigned short port(void)
{
    const char *text = getenv("REDIRECT_PORT");
    return text ? (unsigned short)atoi(text) : 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    if (port() && address->sa_family == AF_INET) {
        struct sockaddr_in to = *(const struct sockaddr_in *)address;
        if (ntohl(to.sin_addr.s_addr) >> 24 != 127) {
            to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            to.sin_port = htons(port());
            return real(fd, (struct sockaddr *)&to, sizeof to);
        }
    }
    if (port() && address->sa_family == AF_INET6) {
        struct sockaddr_in6 to = *(const struct sockaddr_in6 *)address;
        if (!IN6_IS_ADDR_LOOPBACK(&to.sin6_addr)) {
            inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
            to.sin6_port = htons(port());
            return real(fd, (struct sockaddr *)&to, sizeof to);
        }
    }
    return real(fd, address, length);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    unsigned char address[16];
    int is_name = name && strcmp(name, "localhost") && !inet_pton(AF_INET, name, address) && !inet_pton(AF_INET6, name, address);
    return real(port() && is_name ? "192.0.2.1" : name, service, hints, found);
}
