#include "base/flags.h"

#include <errno.h>

#include "base/datetime.h"

static void *flag_place(const struct flag_set *set, const struct flag *flag)
{
    return (char *)set->values + flag->offset;
}

static int flag_set_string(void *place, const struct flag *flag, const char *text, struct err *err)
{
    bool allowed = !flag->choices || !*text;
    _cleanup_(strbuf_done) struct strbuf names = {0};
    for (const char *const *c = flag->choices; c && *c; c++) {
        allowed = allowed || strcmp(*c, text) == 0;
        strbuf_addf(&names, "%s%s", names.len ? ", " : "", *c);
    }
    if (!allowed)
        return err_set(err, -EINVAL, "--%s: \"%s\" is not one of %s", flag->name, text, strbuf_cstr(&names));
    *(const char **)place = text;
    return 0;
}

static int flag_set_bool(void *place, const struct flag *flag, const char *text, struct err *err)
{
    static const char *const words[][2] = {{"false", "true"}, {"0", "1"}, {"f", "t"}, {"False", "True"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        for (int value = 0; value < 2; value++) {
            if (strcmp(text, words[i][value]) == 0) {
                *(bool *)place = value;
                return 0;
            }
        }
    }
    return err_set(err, -EINVAL, "--%s: \"%s\" is neither true nor false", flag->name, text);
}

static int flag_set_int(void *place, const struct flag *flag, const char *text, struct err *err)
{
    int64_t v;
    if (str_to_int64(str_of(text), &v) < 0)
        return err_set(err, -EINVAL, "--%s: \"%s\" is not a whole number", flag->name, text);
    if (flag->min != flag->max && (v < flag->min || v > flag->max))
        return err_set(err, -EINVAL, "--%s: %s is not between %ld and %ld", flag->name, text, flag->min,
                       flag->max);
    *(int64_t *)place = v;
    return 0;
}

static int flag_set_duration(void *place, const struct flag *flag, const char *text, struct err *err)
{
    int64_t ns;
    char low[WALLTIME_MAX_LEN], high[WALLTIME_MAX_LEN];
    if (duration_parse_ns(str_of(text), &ns) < 0)
        return err_set(err, -EINVAL, "--%s: \"%s\" is not a duration such as 30s, 250ms or 1h", flag->name,
                       text);
    if (flag->min != flag->max && (ns < flag->min || ns > flag->max))
        return err_set(err, -EINVAL, "--%s: %s is not between %s and %s", flag->name, text,
                       duration_format_ns(flag->min, low), duration_format_ns(flag->max, high));
    *(int64_t *)place = ns;
    return 0;
}

static void flag_add_list(struct flag_list *list, const char *text)
{
    struct str rest = str_of(text), part;
    while (*text && str_split(&rest, ',', &part))
        *array_push(list) = str_trim(part);
}

int flag_set_value(struct flag_set *set, const struct flag *flag, const char *text, struct err *err)
{
    void *place = flag_place(set, flag);
    switch (flag->type) {
    case FLAG_STRING:
        return flag_set_string(place, flag, text, err);
    case FLAG_BOOL:
        return flag_set_bool(place, flag, text, err);
    case FLAG_INT:
        return flag_set_int(place, flag, text, err);
    case FLAG_DURATION:
        return flag_set_duration(place, flag, text, err);
    case FLAG_LIST:
        flag_add_list(place, text);
        return 0;
    case FLAG_REFUSED:
        return err_set(err, -EINVAL, "--%s is not supported: %s", flag->name, flag->help);
    }
    return 0;
}

static bool flag_name_eq(struct str given, const char *name)
{
    if (given.len != strlen(name))
        return false;
    for (size_t i = 0; i < given.len; i++)
        if ((given.p[i] == '_' ? '-' : given.p[i]) != name[i])
            return false;
    return true;
}

static const struct flag *flags_find(struct flag_set *sets, size_t n_sets, struct str name,
                                     struct flag_set **ret_set)
{
    for (size_t s = 0; s < n_sets; s++) {
        for (size_t i = 0; i < sets[s].n_flags; i++) {
            if (flag_name_eq(name, sets[s].flags[i].name)) {
                *ret_set = &sets[s];
                return &sets[s].flags[i];
            }
        }
    }
    return NULL;
}

static int flags_set_defaults(struct flag_set *set, struct err *err)
{
    for (size_t i = 0; i < set->n_flags; i++) {
        const struct flag *flag = &set->flags[i];
        static const char *const none[] = {"", "false", "0", "0", "", ""};
        if (flag->type == FLAG_REFUSED)
            continue;
        int r = flag_set_value(set, flag, flag->initial ? flag->initial : none[flag->type], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool flag_was_set(const struct flag_set *set, const struct flag *flag)
{
    for (size_t i = 0; i < set->given.n; i++)
        if (set->given.v[i] == flag)
            return true;
    return false;
}

bool flag_was_given(const struct flag_set *set, const char *name)
{
    for (size_t i = 0; i < set->given.n; i++)
        if (strcmp(set->given.v[i]->name, name) == 0)
            return true;
    return false;
}

static int flags_take(struct flag_set *set, const struct flag *flag, const char *value, struct err *err)
{
    /* The first mention of a list replaces its default; further ones add. */
    if (flag->type == FLAG_LIST && !flag_was_set(set, flag))
        ((struct flag_list *)flag_place(set, flag))->n = 0;
    int r = flag_set_value(set, flag, value, err);
    if (r < 0)
        return r;
    *array_push(&set->given) = flag;
    _cleanup_(strbuf_done) struct strbuf word = {0};
    strbuf_addf(&word, "%s%s=%s", flag->name[1] ? "--" : "-", flag->name, value);
    *array_push(&set->words) = strbuf_take(&word, NULL);
    return 0;
}

/* Parses the word at ARGV[*AT], and the next one if it is the value; moves *AT behind. */
static int flags_parse_word(struct flag_set *sets, size_t n_sets, const char *const *argv, int *at,
                            struct err *err)
{
    const char *word = argv[*at];
    bool two = word[0] == '-' && word[1] == '-';
    if (word[0] != '-' || !word[1])
        return err_set(err, -EINVAL, "unexpected argument \"%s\": everything is said with flags; see --help",
                       word);
    struct str name = str_of(word + 1 + two);
    if (str_eqz(name, "help") || str_eqz(name, "h"))
        return err_set(err, -ECANCELED, "help");
    ptrdiff_t equals = str_find_char(name, '=');
    const char *value = equals < 0 ? NULL : name.p + equals + 1;
    if (equals >= 0)
        name.len = equals;
    struct flag_set *set;
    const struct flag *flag = flags_find(sets, n_sets, name, &set);
    if (!flag || two != (flag->name[1] != 0))
        return err_set(err, -EINVAL, "unknown flag: %s%.*s; see --help", two ? "--" : "-", STR_ARG(name));
    if (!value && flag->type == FLAG_BOOL)
        value = "true";
    if (!value && flag->type != FLAG_REFUSED)
        value = argv[++*at];
    if (!value && flag->type != FLAG_REFUSED)
        return err_set(err, -EINVAL, "flag needs a value: --%s", flag->name);
    ++*at;
    return flags_take(set, flag, value ? value : "", err);
}

int flags_parse(struct flag_set *sets, size_t n_sets, int argc, const char *const *argv, struct err *err)
{
    for (size_t s = 0; s < n_sets; s++) {
        int r = flags_set_defaults(&sets[s], err);
        if (r < 0)
            return r;
    }
    for (int at = 0; at < argc && argv[at];) {
        int r = flags_parse_word(sets, n_sets, argv, &at, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void flags_print_help(const struct flag_set *set, struct strbuf *out)
{
    static const char *const types[] = {"string", "", "int", "duration", "strings", ""};
    for (size_t i = 0; i < set->n_flags; i++) {
        const struct flag *flag = &set->flags[i];
        if (flag->type == FLAG_REFUSED)
            continue;
        const char *type = types[flag->type];
        strbuf_addf(out, "  %s%s%s%s\n      %s", flag->name[1] ? "--" : "-", flag->name, *type ? " " : "",
                    type, flag->help);
        if (flag->initial && *flag->initial)
            strbuf_addf(out, " (default %s)", flag->initial);
        strbuf_addc(out, '\n');
    }
}

void flags_done(struct flag_set *sets, size_t n_sets)
{
    for (size_t s = 0; s < n_sets; s++) {
        for (size_t i = 0; i < sets[s].n_flags; i++) {
            const struct flag *flag = &sets[s].flags[i];
            if (flag->type == FLAG_LIST)
                array_done((struct flag_list *)flag_place(&sets[s], flag));
        }
        for (size_t i = 0; i < sets[s].words.n; i++)
            free((char *)sets[s].words.v[i]);
        array_done(&sets[s].words);
        array_done(&sets[s].given);
    }
}
