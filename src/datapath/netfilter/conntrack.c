#include "datapath/netfilter/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdalign.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/epoll.h>

#include "base/array.h"
#include "datapath/netfilter/conntrack-message.h"

#define MAX_STALE       65536 /* per pass; the rest falls to the next one */
#define DELETE_BATCH    32    /* deletes on their way at once: their answers must fit the socket's buffer */
#define READS_PER_ROUND 8     /* about 200 entries each; keeps one turn of the loop under a millisecond */

enum phase { PHASE_IDLE, PHASE_DUMP, PHASE_DELETE };

struct conntrack_cleaner {
    struct loop *loop;
    bool families[2];
    uint64_t *deleted;
    enum phase phase;
    int family; /* index of the one being cleaned */
    struct forwarding_state *was, *is, *next_was, *next_is;
    struct stale_rules *rules;
    ARRAY_OF(struct conntrack_identity) stale;
    size_t n_sent, n_answered;
    struct mnl_socket *socket;
    struct fd_watch watch;
    uint32_t sequence;
};

static void on_ready(struct fd_watch *watch, uint32_t events, void *user);

struct conntrack_cleaner *conntrack_cleaner_new(struct loop *loop, const bool families[2], uint64_t *deleted)
{
    struct conntrack_cleaner *c = mem_new(struct conntrack_cleaner);
    c->loop = loop;
    memcpy(c->families, families, sizeof c->families);
    c->deleted = deleted;
    fd_watch_init(&c->watch, loop, on_ready, c);
    return c;
}

static void close_socket(struct conntrack_cleaner *c)
{
    if (!c->socket)
        return;
    fd_watch_remove(&c->watch);
    (void)mnl_socket_close(c->socket); /* nothing is lost with it */
    c->socket = NULL;
}

static void drop_states(struct forwarding_state **was, struct forwarding_state **is)
{
    forwarding_state_unref(TAKE(*was));
    forwarding_state_unref(TAKE(*is));
}

void conntrack_cleaner_free(struct conntrack_cleaner *c)
{
    if (!c)
        return;
    close_socket(c);
    drop_states(&c->was, &c->is);
    drop_states(&c->next_was, &c->next_is);
    stale_rules_free(c->rules);
    array_done(&c->stale);
    free(c);
}

bool conntrack_cleaner_is_busy(const struct conntrack_cleaner *c)
{
    return c->phase != PHASE_IDLE;
}

static void start_family(struct conntrack_cleaner *c);

static void start_pass(struct conntrack_cleaner *c, struct forwarding_state *was, struct forwarding_state *is)
{
    c->was = was;
    c->is = is;
    c->family = -1;
    start_family(c);
}

static void end_pass(struct conntrack_cleaner *c)
{
    close_socket(c);
    stale_rules_free(TAKE(c->rules));
    c->stale.n = 0;
    c->phase = PHASE_IDLE;
    drop_states(&c->was, &c->is);
    if (c->next_is)
        start_pass(c, TAKE(c->next_was), TAKE(c->next_is));
}

static bool send_dump(struct conntrack_cleaner *c, enum ip_family family)
{
    char buf[MNL_NLMSG_HDRLEN + 64];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    h->nlmsg_seq = ++c->sequence;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    g->nfgen_family = family == IP_V4 ? AF_INET : AF_INET6;
    g->version = NFNETLINK_V0;
    return mnl_socket_sendto(c->socket, h, h->nlmsg_len) > 0;
}

static bool open_socket(struct conntrack_cleaner *c)
{
    if (c->socket)
        return true;
    c->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!c->socket)
        return false;
    if (mnl_socket_bind(c->socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
        fd_watch_add(&c->watch, mnl_socket_get_fd(c->socket), EPOLLIN) == 0)
        return true;
    (void)mnl_socket_close(c->socket);
    c->socket = NULL;
    return false;
}

/* The next family that is wanted; ends the pass behind the last. */
static void start_family(struct conntrack_cleaner *c)
{
    do {
        c->family++;
    } while (c->family < 2 && !c->families[c->family]);
    enum ip_family family = c->family ? IP_V6 : IP_V4;
    if (c->family >= 2 || !open_socket(c) || !send_dump(c, family)) {
        end_pass(c);
        return;
    }
    stale_rules_free(c->rules);
    c->rules = stale_rules_new(c->was, c->is, family);
    c->stale.n = c->n_sent = c->n_answered = 0;
    c->phase = PHASE_DUMP;
}

static bool is_udp_change(const struct service_port *was, const struct service_port *is)
{
    return (was ? was : is)->protocol == PROTOCOL_UDP;
}

void conntrack_cleaner_run(struct conntrack_cleaner *c, struct forwarding_state *was,
                           struct forwarding_state *is)
{
    struct forwarding_diff d = forwarding_diff_start(was, is);
    const struct service_port *p, *q;
    bool wanted = !was;
    while (!wanted && forwarding_diff_next(&d, &p, &q))
        wanted = is_udp_change(p, q);
    if (!wanted)
        return;
    if (was)
        was = forwarding_state_ref(was);
    is = forwarding_state_ref(is);
    if (c->phase == PHASE_IDLE) {
        start_pass(c, was, is);
        return;
    }
    /* One pass waits at most: from the oldest state not looked at yet to the newest. */
    if (c->next_is) {
        forwarding_state_unref(was);
        forwarding_state_unref(c->next_is);
    } else {
        c->next_was = was;
    }
    c->next_is = is;
}

static void look_at_entry(struct conntrack_cleaner *c, const struct nlmsghdr *h)
{
    struct conntrack_flow flow;
    struct conntrack_identity identity;
    size_t len = mnl_nlmsg_get_payload_len(h), header = MNL_ALIGN(sizeof(struct nfgenmsg));
    if (len < header || c->stale.n == MAX_STALE)
        return;
    if (conntrack_parse_entry(mnl_nlmsg_get_payload_offset(h, header), len - header, &flow, &identity) &&
        stale_rules_match(c->rules, &flow))
        *array_push(&c->stale) = identity;
}

static bool send_delete(struct conntrack_cleaner *c, const struct conntrack_identity *s)
{
    char buf[MNL_NLMSG_HDRLEN + 64 + CONNTRACK_TUPLE_MAX_LEN];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    h->nlmsg_seq = ++c->sequence;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    g->nfgen_family = c->family ? AF_INET6 : AF_INET;
    g->version = NFNETLINK_V0;
    mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, s->tuple_len, s->tuple);
    if (s->has_id) /* the same tuple may be a new connection by now */
        mnl_attr_put_u32(h, CTA_ID, htonl(s->id));
    if (s->has_zone)
        mnl_attr_put_u16(h, CTA_ZONE, htons(s->zone));
    return mnl_socket_sendto(c->socket, h, h->nlmsg_len) > 0;
}

static void send_deletes(struct conntrack_cleaner *c)
{
    while (c->n_sent < c->stale.n && c->n_sent - c->n_answered < DELETE_BATCH) {
        if (!send_delete(c, &c->stale.v[c->n_sent])) {
            end_pass(c);
            return;
        }
        c->n_sent++;
    }
    if (c->n_answered == c->stale.n)
        start_family(c);
}

static int error_of(const struct nlmsghdr *h)
{
    const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
    return mnl_nlmsg_get_payload_len(h) >= sizeof *e ? e->error : -EPROTO;
}

/* False when the answer ended what was going on, so that the rest of the bytes belongs to nothing. */
static bool take_message(struct conntrack_cleaner *c, const struct nlmsghdr *h)
{
    if (c->phase == PHASE_DUMP && h->nlmsg_type == NLMSG_DONE) {
        c->phase = PHASE_DELETE;
        send_deletes(c);
        return false;
    }
    if (h->nlmsg_type == NLMSG_ERROR && c->phase == PHASE_DUMP) {
        start_family(c); /* no conntrack for this family, or no right to see it: nothing to clean */
        return false;
    }
    if (h->nlmsg_type == NLMSG_ERROR) {
        *c->deleted += error_of(h) == 0;
        c->n_answered++;
        send_deletes(c);
        return c->phase == PHASE_DELETE;
    }
    if (c->phase == PHASE_DUMP && h->nlmsg_type == ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW))
        look_at_entry(c, h);
    return true;
}

static void on_ready(struct fd_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)events;
    struct conntrack_cleaner *c = user;
    alignas(struct nlmsghdr) char buf[32768];
    for (int i = 0; i < READS_PER_ROUND && c->socket; i++) {
        ssize_t n = mnl_socket_recvfrom(c->socket, buf, sizeof buf);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            end_pass(c);
            return;
        }
        int left = (int)n;
        struct nlmsghdr *h = (struct nlmsghdr *)buf;
        while (mnl_nlmsg_ok(h, left) && take_message(c, h))
            h = mnl_nlmsg_next(h, &left);
    }
}
