#include "object/status.h"

#include "base/test.h"
#include "object/quote.h"

static const struct schema_resource services = {
    .version = STR_INIT("v1"), .kind = STR_INIT("Service"), .plural = STR_INIT("services")};
static const struct schema_resource deployments = {.group = STR_INIT("apps"),
                                                   .version = STR_INIT("v1"),
                                                   .kind = STR_INIT("Deployment"),
                                                   .plural = STR_INIT("deployments")};

static void test_words(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct status_request get = {.user = STR("u"),
                                       .verb = STR("get"),
                                       .resource = &deployments,
                                       .subresource = STR("scale"),
                                       .ns = STR("d"),
                                       .name = STR("x")};
    const struct status_request list = {.user = STR("u"), .verb = STR("list"), .resource = &services};
    const struct status_request path = {.user = STR("u"), .verb = STR("get"), .path = STR("/x")};
    const struct {
        const struct status *s;
        int code;
        const char *reason, *message;
    } rows[] = {
        {status_not_found(&a, &services, STR("x")), 404, "NotFound", "services \"x\" not found"},
        {status_not_found(&a, &deployments, STR("x\n")), 404, "NotFound",
         "deployments.apps \"x\\n\" not found"},
        {status_already_exists(&a, &services, STR("x")), 409, "AlreadyExists",
         "services \"x\" already exists"},
        {status_conflict(&a, &services, STR("x"), STATUS_MODIFIED), 409, "Conflict",
         "Operation cannot be fulfilled on services \"x\": the object has been modified; please apply your "
         "changes to "
         "the latest version and try again"},
        {status_forbidden_request(&a, &get), 403, "Forbidden",
         "deployments.apps \"x\" is forbidden: User \"u\" cannot get resource \"deployments/scale\" in API "
         "group "
         "\"apps\" in the namespace \"d\""},
        {status_forbidden_request(&a, &list), 403, "Forbidden",
         "services is forbidden: User \"u\" cannot list resource \"services\" in API group \"\" at the "
         "cluster scope"},
        {status_forbidden_request(&a, &path), 403, "Forbidden",
         "forbidden: User \"u\" cannot get path \"/x\""},
        {status_forbidden(&a, &services, STR("x"), "no %s", "way"), 403, "Forbidden",
         "services \"x\" is forbidden: no way"},
        {status_unauthorized(&a), 401, "Unauthorized", "Unauthorized"},
        {status_no_route(&a), 404, "NotFound", "the server could not find the requested resource"},
        {status_method_not_allowed(&a, &services, STR("delete")), 405, "MethodNotAllowed",
         "delete is not supported on resources of kind \"services\""},
        {status_not_acceptable(&a, STR("application/json")), 406, "NotAcceptable",
         "only the following media types are accepted: application/json"},
        {status_unsupported_media_type(&a, STR("application/json")), 415, "UnsupportedMediaType",
         "the body of the request was in an unknown format - accepted media types include: application/json"},
        {status_too_large(&a, "limit is %d", 3145728), 413, "RequestEntityTooLarge",
         "Request entity is too large: limit is 3145728"},
        {status_too_many_requests(&a, "slow", 1), 429, "TooManyRequests", "slow"},
        {status_expired(&a, "too old"), 410, "Expired", "too old"},
        {status_gone(&a, "gone"), 410, "Gone", "gone"},
        {status_internal(&a, "%s", "boom"), 500, "InternalError", "Internal error occurred: boom"},
        {status_timeout(&a, "late", 0), 504, "Timeout", "Timeout: late"},
        {status_server_timeout(&a, &services, STR("list"), 1), 500, "ServerTimeout",
         "The list operation against services could not be completed at this time, please try again."},
        {status_unavailable(&a, "down"), 503, "ServiceUnavailable", "down"},
        {status_bad_request(&a, "%s", "bad"), 400, "BadRequest", "bad"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(rows[i].s->code, rows[i].code);
        assert_str(rows[i].s->reason, rows[i].reason);
        assert_str(rows[i].s->message, rows[i].message);
    }
}

static void assert_written(const struct status *s, const char *expected)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    status_write(s, &out);
    assert_str(strbuf_str(&out), expected);
}

static void test_json(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    assert_written(
        status_not_found(&a, &deployments, STR("x")),
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":"
        "\"deployments.apps \\\"x\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"x\","
        "\"group\":\"apps\",\"kind\":\"deployments\"},\"code\":404}");
    assert_written(
        status_deleted(&a, &services, STR("x"), STR("u")),
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"details\":"
        "{\"name\":\"x\",\"kind\":\"services\",\"uid\":\"u\"}}");
    assert_written(status_too_many_requests(&a, "slow", 2),
                   "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
                   "\"message\":\"slow\","
                   "\"reason\":\"TooManyRequests\",\"details\":{\"retryAfterSeconds\":2},\"code\":429}");
}

static void test_invalid(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct field_errors e = {.arena = &a};
    const struct field_path *ports = FIELD(FIELD(NULL, "spec"), "ports");
    field_invalid(&e, FIELD(FIELD_INDEX(ports, 0), "port"), json_int(&a, 0),
                  "must be between 1 and 65535, inclusive");
    assert_str(status_invalid(&a, &services, STR("x"), &e)->message,
               "Service \"x\" is invalid: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, "
               "inclusive");
    static const struct str protocols[] = {STR_INIT("SCTP"), STR_INIT("TCP")};
    field_not_supported(&e, FIELD(FIELD_INDEX(ports, 1), "protocol"), json_string(&a, STR("X")), protocols,
                        2);
    field_required(&e, FIELD(NULL, "spec"), "%s", "");
    field_required(&e, FIELD(NULL, "spec"), "%s", "");
    const struct status *s = status_invalid(&a, &services, STR("x"), &e);
    assert_str(
        s->message,
        "Service \"x\" is invalid: [spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, "
        "inclusive, spec.ports[1].protocol: Unsupported value: \"X\": supported values: \"SCTP\", "
        "\"TCP\", spec: Required value]");
    assert_int_equal(s->code, 422);
    assert_int_equal(s->n_causes, 4);
    assert_str(s->kind, "Service");
    assert_str(s->causes[1].reason, "FieldValueNotSupported");
    assert_str(s->causes[1].field, "spec.ports[1].protocol");
    assert_str(s->causes[1].message, "Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\"");
}

static void test_field_words(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct field_errors e = {.arena = &a};
    const struct field_path *f = FIELD_KEY(FIELD(FIELD(NULL, "metadata"), "labels"), STR("a/b"));
    field_duplicate(&e, f, json_string(&a, STR("v")));
    field_forbidden(&e, f, "not allowed on this type");
    field_too_long(&e, f, 262144);
    field_too_many(&e, f, 5, 3);
    field_not_found(&e, f, NULL);
    field_internal(&e, f, "%s", "boom");
    static const char *const bodies[] = {"Duplicate value: \"v\"",
                                         "Forbidden: not allowed on this type",
                                         "Too long: may not be more than 262144 bytes",
                                         "Too many: 5: must have at most 3 items",
                                         "Not found: null",
                                         "Internal error: boom"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        assert_str(e.v[i].field, "metadata.labels[a/b]");
        assert_str(e.v[i].body, bodies[i]);
    }
}

static void test_errors_are_limited(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct field_errors e = {.arena = &a};
    for (size_t i = 0; i < FIELD_ERRORS_MAX + 3; i++)
        field_required(&e, FIELD_INDEX(FIELD(NULL, "a"), i), "%s", "");
    assert_int_equal(e.n, FIELD_ERRORS_MAX);
    assert_int_equal(e.n_dropped, 3);
    assert_true(str_has_suffix(field_errors_text(&e), STR(", and 3 more]")));
}

static void test_long_messages(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    char big[2000];
    memset(big, 'x', sizeof big);
    assert_int_equal(status_bad_request(&a, "%.*s!", (int)sizeof big, big)->message.len, sizeof big + 1);
}

static void test_quote(void **state)
{
    static const struct {
        struct str in;
        const char *out;
    } rows[] = {
        {STR_INIT("a\"b\\\n\x1b[0m\x7f"), "\"a\\\"b\\\\\\n\\x1b[0m\\x7f\""},
        {STR_INIT("\xc3\xa9 \xf0\x9f\x98\x80"), "\"\xc3\xa9 \xf0\x9f\x98\x80\""},
        {STR_INIT("\xff\xc3"), "\"\\xff\\xc3\""},
        {STR_INIT("\xe2\x80\xae"), "\"\\u202e\""},
        {STR_INIT("\0"), "\"\\x00\""},
    };
    _cleanup_(arena_done) struct arena a = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_str(quote(&a, rows[i].in), rows[i].out);
}

RUN_TESTS(cmocka_unit_test(test_words), cmocka_unit_test(test_json), cmocka_unit_test(test_invalid),
          cmocka_unit_test(test_field_words), cmocka_unit_test(test_errors_are_limited),
          cmocka_unit_test(test_long_messages), cmocka_unit_test(test_quote))
