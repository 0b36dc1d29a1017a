/* The language of the cases: lines to tokens, tokens to bytes, results, and their comparison. Knows nothing of the library. */
#include "language.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *tokens[MAX_TOKENS], *args[MAX_TOKENS], *options[MAX_TOKENS], *wanted[MAX_TOKENS];
size_t n_before, n_args, n_options, n_wanted;
item *got;
size_t n_got;
static size_t room;
char trouble[256];

bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

void *allocate(size_t len)
{
    void *data = malloc(len ? len : 1);
    if (!data) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    return data;
}

bytes copy(const void *data, size_t len)
{
    bytes out = {allocate(len), len};
    if (len) memcpy(out.data, data, len);
    return out;
}

void give(char what, bytes a, bytes b)
{
    if (n_got == room && !(got = realloc(got, (room = room * 2 + 16) * sizeof *got))) exit(2);
    got[n_got++] = (item){what, a, b};
}

void word(const char *text) { give('w', copy(text, strlen(text)), (bytes){0}); }

void number(uint64_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    word(text);
}

void forget_results(void)
{
    for (; n_got; n_got--) {
        free(got[n_got - 1].a.data);
        free(got[n_got - 1].b.data);
    }
}

/* ---- problems ---- */

void problem(const char *what, const char *detail)
{
    if (!*trouble) snprintf(trouble, sizeof trouble, "<%s: %.100s>", what, detail);
}

/* ---- tokens ---- */

bytes generated(uint64_t seed, size_t len)
{
    const size_t period = 65521;
    bytes out = {allocate(len), len};
    for (size_t i = 0; i < len && i < period; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out.data[i] = (uint8_t)(seed >> 56);
    }
    for (size_t i = period; i < len; i += period) {
        memcpy(out.data + i, out.data, len - i < period ? len - i : period);
    }
    return out;
}

bool parse(const char *token, bytes *out)
{
    *out = (bytes){allocate(0), 0};
    if (strcmp(token, "-") == 0) return true;
    for (const char *part = token;; part = strchr(part, '+') + 1) {
        unsigned long long a, n;
        bytes more = {NULL, 0};
        if (sscanf(part, "rep:%2llx*%llu", &a, &n) == 2) {
            more = (bytes){allocate((size_t)n), (size_t)n};
            memset(more.data, (int)a, more.len);
        } else if (sscanf(part, "gen:%llu*%llu", &a, &n) == 2) {
            more = generated(a, (size_t)n);
        } else {
            size_t digits = strspn(part, "0123456789abcdef");
            if (digits == 0 || digits % 2 || (part[digits] && part[digits] != '+')) return false;
            more = (bytes){allocate(digits / 2), digits / 2};
            for (size_t i = 0; i < more.len; i++) {
                unsigned int byte = 0;
                sscanf(part + 2 * i, "%2x", &byte);
                more.data[i] = (uint8_t)byte;
            }
        }
        uint8_t *joined = realloc(out->data, out->len + more.len + 1);
        if (!joined) exit(2);
        memcpy(joined + out->len, more.data, more.len);
        *out = (bytes){joined, out->len + more.len};
        free(more.data);
        if (!strchr(part, '+')) return true;
    }
}

const char *arg(size_t i) { return i < n_args ? args[i] : ""; }

uint64_t arg_number(size_t i) { return strtoull(arg(i), NULL, 10); }

/* An option's value, or NULL. */
char *option_in(char *const *list, size_t n, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (strncmp(list[i], name, len) == 0 && list[i][len] == '=') return list[i] + len + 1;
    }
    return NULL;
}

char *option(const char *name) { return option_in(options, n_options, name); }

bool yes(const char *name) { return option(name) && strcmp(option(name), "yes") == 0; }

/* ---- lines ---- */

/* Splits a line in place. Of the languages' own results, C's is taken and the others are left out. */
void split(char *line)
{
    size_t n = 0;
    *trouble = '\0';
    for (char *t = strtok(line, " "); t && n < MAX_TOKENS; t = strtok(NULL, " ")) tokens[n++] = t;
    n_args = n_options = n_wanted = 0;
    for (n_before = 1; n_before < n && !is(tokens[n_before], "->"); n_before++) {
        if (strchr(tokens[n_before], '=')) options[n_options++] = tokens[n_before];
        else args[n_args++] = tokens[n_before];
    }
    char *own = NULL;
    for (size_t i = n_before + 1; i < n; i++) {
        bool other = strncmp(tokens[i], "rust=", 5) == 0 || strncmp(tokens[i], "cpp=", 4) == 0 ||
                     strncmp(tokens[i], "python=", 7) == 0 || strncmp(tokens[i], "go=", 3) == 0;
        if (strncmp(tokens[i], "c=", 2) == 0) own = tokens[i] + 2;
        else if (!other) wanted[n_wanted++] = tokens[i];
    }
    if (own) {
        wanted[0] = own;
        n_wanted = 1;
    }
}

/* ---- results ---- */

static bool same(const item *result, char *token)
{
    if (result->kind == 'w') return strlen(token) == result->a.len && memcmp(token, result->a.data, result->a.len) == 0;
    char *second = strchr(token, '=');
    bytes a, b = {NULL, 0};
    if ((result->kind == 'p') != (second != NULL)) return false;
    if (second) *second = '\0';
    bool equal = parse(token, &a) && a.len == result->a.len && memcmp(a.data, result->a.data, a.len) == 0;
    if (equal && second) equal = parse(second + 1, &b) && b.len == result->b.len && memcmp(b.data, result->b.data, b.len) == 0;
    if (second) *second = '=';
    free(a.data);
    free(b.data);
    return equal;
}

static void print_bytes(bytes data)
{
    if (data.len == 0) putchar('-');
    for (size_t i = 0; i < data.len && i < 32; i++) printf("%02x", data.data[i]);
    if (data.len > 32) printf("...(%zu bytes)", data.len);
}

static void print_tokens(char *const *list, size_t n)
{
    for (size_t i = 0; i < n && i < 12; i++) printf("%s%.80s", i ? " " : "", list[i]);
    if (n > 12) printf(" ...(%zu tokens)", n);
}

bool as_wanted(void)
{
    bool good = !*trouble && n_got == n_wanted;
    for (size_t i = 0; good && i < n_got; i++) good = same(&got[i], wanted[i]);
    return good;
}

/* `OPERATION: got RESULT, expected RESULT` */
void print_difference(void)
{
    print_tokens(tokens, n_before);
    printf(": got%s%s", *trouble ? " " : "", trouble);
    for (size_t i = 0; i < n_got && i < 12; i++) {
        putchar(' ');
        if (got[i].kind == 'w') printf("%.*s", (int)got[i].a.len, (char *)got[i].a.data);
        else print_bytes(got[i].a);
        if (got[i].kind == 'p') putchar('=');
        if (got[i].kind == 'p') print_bytes(got[i].b);
    }
    printf("%s, expected ", n_got > 12 ? " ..." : "");
    print_tokens(wanted, n_wanted);
    putchar('\n');
}
