#include "io/host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

int host_name(char ret[static HOST_NAME_LEN], struct err *err)
{
    char name[HOST_NAME_LEN] = "";
    if (gethostname(name, sizeof name - 1) < 0)
        return err_set_errno(err, -errno, "cannot read the host name");
    for (size_t i = 0; i < sizeof name; i++)
        ret[i] = (char)tolower((unsigned char)name[i]);
    return 0;
}

/* The source address the kernel would use towards a documentation address, which only a default route covers.
 */
static bool host_route_source(enum ip_family family, struct ip *ret)
{
    struct ip target;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (ip_parse(family == IP_V4 ? STR("192.0.2.1") : STR("2001:db8::1"), &target) < 0)
        return false;
    int fd = socket(family == IP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    socklen_t target_len = ip_to_sockaddr(&target, 9, &address);
    bool found = connect(fd, (struct sockaddr *)&address, target_len) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
                 ip_from_sockaddr((struct sockaddr *)&address, ret, NULL) && !ip_is_unspecified(ret);
    close(fd);
    return found;
}

static bool host_first_global(enum ip_family family, struct ip *ret)
{
    struct ifaddrs *list, *i;
    struct ip ip;
    bool found = false;
    if (getifaddrs(&list) < 0)
        return false;
    for (i = list; i && !found; i = i->ifa_next) {
        found = i->ifa_addr && (i->ifa_flags & IFF_UP) && ip_from_sockaddr(i->ifa_addr, &ip, NULL) &&
                ip.family == family && !ip_is_loopback(&ip) && !ip_is_link_local(&ip);
    }
    freeifaddrs(list);
    if (found)
        *ret = ip;
    return found;
}

int host_default_address(enum ip_family family, struct ip *ret, struct err *err)
{
    static const enum ip_family families[] = {IP_V4, IP_V6};
    for (size_t i = 0; i < 2; i++)
        if ((family == IP_NONE || family == families[i]) && host_route_source(families[i], ret))
            return 0;
    for (size_t i = 0; i < 2; i++)
        if ((family == IP_NONE || family == families[i]) && host_first_global(families[i], ret))
            return 0;
    return err_set(err, -EADDRNOTAVAIL, "this host has no global %s address",
                   family == IP_V6 ? "IPv6" : "IP");
}

bool host_has_family(enum ip_family family)
{
    if (family == IP_V4)
        return true;
    char value = '1';
    int fd = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool known = read(fd, &value, 1) == 1;
    close(fd);
    return known && value == '0';
}

static int host_capabilities(struct __user_cap_data_struct ret[2])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &header, ret) < 0 ? -errno : 0;
}

int host_drop_capabilities(uint64_t keep, struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    int r = host_capabilities(data);
    if (r < 0)
        return err_set_errno(err, r, "cannot read the capabilities of this process");
    for (int i = 0; i < 2; i++) {
        uint32_t mask = (uint32_t)(keep >> (32 * i));
        data[i].effective &= mask;
        data[i].permitted &= mask;
        data[i].inheritable &= mask;
    }
    if (syscall(SYS_capset, &header, data) < 0)
        return err_set_errno(err, -errno, "cannot give up capabilities");
    return 0;
}

bool host_has_capability(int capability)
{
    struct __user_cap_data_struct data[2];
    return host_capabilities(data) == 0 && (data[capability / 32].effective >> (capability % 32) & 1);
}

int host_set_oom_score_adj(int value, struct err *err)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%d", value);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int r = fd < 0 || write(fd, text, (size_t)len) != len ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return r < 0 ? err_set_errno(err, r, "cannot set the OOM score to %d", value) : 0;
}

/* The first line of a small file; empty if it cannot be read. */
static void host_read_line(const char *path, char *ret, size_t len)
{
    ret[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, ret, len - 1);
    close(fd);
    ret[n > 0 ? n : 0] = 0;
    ret[strcspn(ret, "\n")] = 0;
}

/* The value of PRETTY_NAME in os-release(5). */
static void host_read_os_image(char *ret, size_t len)
{
    char text[4096];
    ret[0] = 0;
    int fd = open("/etc/os-release", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    struct str rest = {text, n > 0 ? (size_t)n : 0}, line;
    while (str_split(&rest, '\n', &line)) {
        if (!str_has_prefix(line, STR("PRETTY_NAME=")))
            continue;
        struct str value = str_slice(line, strlen("PRETTY_NAME="), line.len);
        if (value.len >= 2 && value.p[0] == '"')
            value = str_slice(value, 1, value.len - 1);
        snprintf(ret, len, "%.*s", STR_ARG(value));
    }
}

void host_facts_read(struct host_facts *ret)
{
    struct utsname uts = {0};
    *ret = (struct host_facts){0};
    host_read_line("/etc/machine-id", ret->machine_id, sizeof ret->machine_id);
    host_read_line("/proc/sys/kernel/random/boot_id", ret->boot_id, sizeof ret->boot_id);
    host_read_os_image(ret->os_image, sizeof ret->os_image);
    if (uname(&uts) == 0) {
        snprintf(ret->kernel, sizeof ret->kernel, "%s", uts.release);
        bool amd64 = strcmp(uts.machine, "x86_64") == 0, arm64 = strcmp(uts.machine, "aarch64") == 0;
        snprintf(ret->architecture, sizeof ret->architecture, "%.31s",
                 amd64   ? "amd64"
                 : arm64 ? "arm64"
                         : uts.machine);
    }
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE), cpus = sysconf(_SC_NPROCESSORS_ONLN);
    ret->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    ret->n_cpus = cpus > 0 ? (unsigned)cpus : 1;
}

uint64_t host_raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* up to the hard limit it is always allowed */
    return limit.rlim_cur;
}
