#include "watch/kubeconfig.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/encoding.h"
#include "base/ip.h"
#include "io/file.h"
#include "wire/yaml.h"

#define KUBECONFIG_MAX_LEN ((size_t)1024 * 1024)

struct loader {
    struct kubeconfig *k;
    const char *name, *folder;
    struct err *err;
};

static struct arena *loader_arena(struct loader *l)
{
    return &l->k->arena;
}

static int loader_fail(struct loader *l, const char *format, ...) _printf_(2, 3);

static int loader_fail(struct loader *l, const char *format, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    return err_set(l->err, -EINVAL, "%s: %s", l->name, text);
}

/* The entry called NAME of a list of {name, KIND}. */
static const struct json *find_named(const struct json *root, const char *list, struct str name,
                                     const char *kind)
{
    json_foreach (json_getz(root, list), entry) {
        if (str_eq(json_str(json_getz(entry, "name")), name))
            return json_getz(entry, kind);
    }
    return NULL;
}

/* PATH relative to the kubeconfig's folder. */
static const char *resolve_path(struct loader *l, struct str path)
{
    if (path.len && path.p[0] == '/')
        return arena_str(loader_arena(l), path).p;
    return arena_format(loader_arena(l), "%s/%.*s", l->folder, STR_ARG(path)).p;
}

static int read_file(struct loader *l, const char *path, struct str *ret)
{
    _cleanup_(strbuf_done) struct strbuf bytes = {0};
    int r = file_read(path, KUBECONFIG_MAX_LEN, &bytes, l->err);
    if (r < 0)
        return err_wrap(l->err, "%s", l->name);
    *ret = arena_str(loader_arena(l), strbuf_str(&bytes));
    return 0;
}

/* A field that is given inline as base64 (NAME-data) or as a file (NAME); the data wins. */
static int load_blob(struct loader *l, const struct json *in, const char *name, struct str *ret)
{
    struct str data_name = arena_format(loader_arena(l), "%s-data", name);
    struct str data = json_str(json_get(in, data_name)), path = json_str(json_getz(in, name));
    if (data.len) {
        _cleanup_(strbuf_done) struct strbuf bytes = {0};
        if (base64_decode(data, &bytes) < 0)
            return loader_fail(l, "%s is not base64", data_name.p);
        *ret = arena_str(loader_arena(l), strbuf_str(&bytes));
        return 0;
    }
    return path.len ? read_file(l, resolve_path(l, path), ret) : 0;
}

/* "HOST", "HOST:PORT", "[V6]:PORT" up to a '/'. */
static int parse_authority(struct str s, uint16_t otherwise, struct arena *a, struct str *ret_host,
                           uint16_t *ret_port)
{
    ptrdiff_t slash = str_find_char(s, '/');
    uint64_t port = otherwise;
    if (slash >= 0)
        s = str_slice(s, 0, slash);
    struct str host = s, rest = STR("");
    if (s.len && s.p[0] == '[') {
        ptrdiff_t end = str_find_char(s, ']');
        if (end < 0)
            return -EINVAL;
        host = str_slice(s, 1, end);
        rest = str_slice(s, end + 1, s.len);
    } else if (str_find_char(s, ':') >= 0) {
        host = str_slice(s, 0, str_find_char(s, ':'));
        rest = str_slice(s, host.len, s.len);
    }
    if (rest.len && (rest.p[0] != ':' || str_to_uint64(str_slice(rest, 1, rest.len), &port) < 0))
        return -EINVAL;
    if (!host.len || !port || port > 65535 || str_find_char(host, '@') >= 0)
        return -EINVAL;
    *ret_host = arena_str(a, host);
    *ret_port = (uint16_t)port;
    return 0;
}

static int load_server(struct loader *l, const struct json *cluster)
{
    struct kubeconfig *k = l->k;
    struct str server = json_str(json_getz(cluster, "server")),
               proxy = json_str(json_getz(cluster, "proxy-url"));
    bool tls = str_has_prefix(server, STR("https://"));
    k->is_plain = str_has_prefix(server, STR("http://"));
    if (!tls && !k->is_plain)
        return loader_fail(l, "the cluster's server \"%.*s\" is neither https:// nor http://",
                           STR_ARG(server));
    if (parse_authority(str_slice(server, tls ? 8 : 7, server.len), tls ? 443 : 80, &k->arena, &k->host,
                        &k->port) < 0)
        return loader_fail(l, "the cluster's server \"%.*s\" has no usable host and port", STR_ARG(server));
    if (!proxy.len)
        return 0;
    if (!str_has_prefix(proxy, STR("http://")))
        return loader_fail(l, "proxy-url \"%.*s\" is not supported: only http:// proxies are",
                           STR_ARG(proxy));
    if (k->is_plain)
        return loader_fail(l, "proxy-url needs an https:// server");
    if (parse_authority(str_slice(proxy, 7, proxy.len), 80, &k->arena, &k->proxy_host, &k->proxy_port) < 0)
        return loader_fail(l, "proxy-url \"%.*s\" has no usable host and port", STR_ARG(proxy));
    return 0;
}

static int load_cluster(struct loader *l, const struct json *cluster)
{
    struct str name = json_str(json_getz(cluster, "tls-server-name"));
    int r = load_server(l, cluster);
    if (r < 0)
        return r;
    l->k->is_insecure = json_bool_or(json_getz(cluster, "insecure-skip-tls-verify"), false);
    l->k->server_name = name.len ? arena_str(loader_arena(l), name) : l->k->host;
    return load_blob(l, cluster, "certificate-authority", &l->k->ca_pem);
}

static int load_user(struct loader *l, const struct json *user)
{
    static const char *const refused[] = {"exec", "auth-provider", "username", "password", "as", "as-groups"};
    struct kubeconfig *k = l->k;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (json_getz(user, refused[i]))
            return loader_fail(
                l, "the user's \"%s\" is not supported: use a client certificate, a token or a tokenFile",
                refused[i]);
    int r = load_blob(l, user, "client-certificate", &k->cert_pem);
    if (r == 0)
        r = load_blob(l, user, "client-key", &k->key_pem);
    if (r < 0)
        return r;
    if (!k->cert_pem.len != !k->key_pem.len)
        return loader_fail(l, "the user has only one of client-certificate and client-key");
    struct str token_file = json_str(json_getz(user, "tokenFile")), unused;
    k->token = arena_str(loader_arena(l), json_str(json_getz(user, "token")));
    if (token_file.len)
        k->token_file = resolve_path(l, token_file);
    return k->token_file ? read_file(l, k->token_file, &unused) : 0;
}

static int load_document(struct loader *l, const struct json *root)
{
    struct str current = json_str(json_getz(root, "current-context"));
    if (!json_is(root, JSON_OBJECT))
        return loader_fail(l, "this is not a kubeconfig");
    if (!current.len)
        return loader_fail(l, "current-context is not set");
    const struct json *context = find_named(root, "contexts", current, "context");
    if (!context)
        return loader_fail(l, "there is no context \"%.*s\", which current-context names", STR_ARG(current));
    struct str cluster_name = json_str(json_getz(context, "cluster")),
               user_name = json_str(json_getz(context, "user"));
    const struct json *cluster = find_named(root, "clusters", cluster_name, "cluster");
    const struct json *user = find_named(root, "users", user_name, "user");
    if (!cluster)
        return loader_fail(l, "there is no cluster \"%.*s\", which context \"%.*s\" names",
                           STR_ARG(cluster_name), STR_ARG(current));
    if (user_name.len && !user)
        return loader_fail(l, "there is no user \"%.*s\", which context \"%.*s\" names", STR_ARG(user_name),
                           STR_ARG(current));
    int r = load_cluster(l, cluster);
    return r < 0 ? r : load_user(l, user);
}

int kubeconfig_parse(struct str text, const char *name, const char *folder, struct kubeconfig *ret,
                     struct err *err)
{
    struct kubeconfig k = {0};
    struct loader l = {&k, name, folder, err};
    _cleanup_(arena_done) struct arena a = {0};
    struct json *root;
    int r = yaml_parse(&a, text, NULL, &root, err);
    r = r < 0 ? err_wrap(err, "%s", name), r : load_document(&l, root);
    if (r < 0) {
        kubeconfig_done(&k);
        return r;
    }
    *ret = k;
    return 0;
}

int kubeconfig_load(const char *path, struct kubeconfig *ret, struct err *err)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    int r = file_read(path, KUBECONFIG_MAX_LEN, &text, err);
    if (r < 0)
        return r;
    const char *slash = strrchr(path, '/');
    _cleanup_(mem_freep) char *folder =
        slash ? mem_dup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
    return kubeconfig_parse(strbuf_str(&text), path, folder, ret, err);
}

int kubeconfig_in_cluster(const char *host, const char *port, const char *folder, struct kubeconfig *ret,
                          struct err *err)
{
    struct kubeconfig k = {0};
    struct loader l = {&k, "in-cluster configuration", folder, err};
    uint64_t number;
    struct str unused;
    if (!host || !*host || !port || str_to_uint64(str_of(port), &number) < 0 || !number || number > 65535)
        return err_set(
            err, -ENOENT,
            "this is not a pod (KUBERNETES_SERVICE_HOST and _PORT are not set); give --kubeconfig");
    k.host = k.server_name = arena_str(&k.arena, str_of(host));
    k.port = (uint16_t)number;
    k.token_file = resolve_path(&l, STR("token"));
    int r = read_file(&l, resolve_path(&l, STR("ca.crt")), &k.ca_pem);
    if (r == 0)
        r = read_file(&l, k.token_file, &unused);
    if (r < 0) {
        kubeconfig_done(&k);
        return r;
    }
    *ret = k;
    return 0;
}

void kubeconfig_done(struct kubeconfig *k)
{
    arena_done(&k->arena);
    *k = (struct kubeconfig){0};
}

static void set_blob(struct arena *a, struct json *object, const char *field, struct str bytes)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    base64_encode(bytes, &text);
    json_setz(object, field, json_string(a, arena_str(a, strbuf_str(&text))));
}

/* A list with one {name: NAME, KIND: VALUE}. */
static struct json *one_named(struct arena *a, struct str name, const char *kind, struct json *value)
{
    struct json *list = json_array(a), *entry = json_object(a);
    json_setz(entry, "name", json_string(a, name));
    json_setz(entry, kind, value);
    json_append(list, entry);
    return list;
}

void kubeconfig_write(const struct kubeconfig_spec *spec, struct strbuf *out)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *root = json_object(&a), *cluster = json_object(&a), *user = json_object(&a),
                *context = json_object(&a);
    json_setz(cluster, "server", json_string(&a, spec->server));
    set_blob(&a, cluster, "certificate-authority-data", spec->ca_pem);
    set_blob(&a, user, "client-certificate-data", spec->cert_pem);
    set_blob(&a, user, "client-key-data", spec->key_pem);
    json_setz(context, "cluster", json_string(&a, spec->cluster));
    json_setz(context, "user", json_string(&a, spec->user));
    json_setz(root, "apiVersion", json_string(&a, STR("v1")));
    json_setz(root, "kind", json_string(&a, STR("Config")));
    json_setz(root, "clusters", one_named(&a, spec->cluster, "cluster", cluster));
    json_setz(root, "users", one_named(&a, spec->user, "user", user));
    json_setz(root, "contexts", one_named(&a, spec->cluster, "context", context));
    json_setz(root, "current-context", json_string(&a, spec->cluster));
    yaml_write(root, out);
}
