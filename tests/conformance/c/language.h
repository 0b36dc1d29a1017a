/*
 * The language of the cases, for the C runner: lines to tokens, tokens to bytes, results, and their comparison. README.md
 * defines it. Knows nothing of the library. One line is run at a time, so it is kept in variables.
 */
#ifndef CASE_LANGUAGE_H
#define CASE_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_TOKENS = 2048 };

typedef struct { uint8_t *data; size_t len; } bytes;
typedef struct { char kind; bytes a, b; } item; /* 'w' a word, 'b' bytes, 'p' a pair */

/* The line that is being run: `op@object args options -> wanted`. */
extern char *tokens[MAX_TOKENS], *args[MAX_TOKENS], *options[MAX_TOKENS], *wanted[MAX_TOKENS];
extern size_t n_before, n_args, n_options, n_wanted;
/* Its result so far. */
extern item *got;
extern size_t n_got;
/* A problem with the case or the library's manners, which fails the line whatever its result. The first one counts. */
extern char trouble[256];

bool is(const char *a, const char *b);
void *allocate(size_t len);
bytes copy(const void *data, size_t len);

/* Results; data is taken over. */
void give(char what, bytes a, bytes b);
void word(const char *text);
void number(uint64_t n);
void forget_results(void);
void problem(const char *what, const char *detail);

/* Tokens. */
bytes generated(uint64_t seed, size_t len);
bool parse(const char *token, bytes *out);
const char *arg(size_t i);
uint64_t arg_number(size_t i);
char *option_in(char *const *list, size_t n, const char *name);
char *option(const char *name);
bool yes(const char *name);

/* Lines. */
void split(char *line);
bool as_wanted(void);
void print_difference(void);

#endif
