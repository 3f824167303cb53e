#include <roto/system.h>

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* Longer words are compared by their beginnings: enough to tell names apart, and it bounds the
 * table. */
enum { WORD_CHARS = 48 };

static int normal(char c)
{
    if (c == '-' || c == '_')
        return ' ';
    return tolower((unsigned char)c);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string
 * alignment, a restriction of Damerau 1964). */
static int edit_distance(const char *a, const char *b)
{
    int n = least((int)strlen(a), WORD_CHARS), m = least((int)strlen(b), WORD_CHARS);
    int d[WORD_CHARS + 1][WORD_CHARS + 1];
    for (int i = 0; i <= n; i++)
        d[i][0] = i;
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++) {
        for (int j = 1; j <= m; j++) {
            int cost = normal(a[i - 1]) != normal(b[j - 1]);
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + cost);
            if (i > 1 && j > 1 && normal(a[i - 1]) == normal(b[j - 2]) &&
                normal(a[i - 2]) == normal(b[j - 1]))
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n][m];
}

const char *roto_nearest_name(const char *word, const char *const *names, int32_t n_names)
{
    if (!word || !names)
        return NULL;
    /* A third of the letters may be wrong, and one always: "cra" for "car". */
    int best_distance = (int)least((int)strlen(word), WORD_CHARS) / 3 + 1;
    if (best_distance < 2)
        best_distance = 2;
    const char *best = NULL;
    for (int32_t i = 0; i < n_names; i++) {
        int distance = names[i] ? edit_distance(word, names[i]) : best_distance;
        if (distance < best_distance) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}
