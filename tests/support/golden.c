#include "support/golden.h"

#include "support/cmocka_all.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden {
    char *bytes;
    cJSON *header;
    const char *data;
};

golden *golden_open(const char *path)
{
    char full[512];
    snprintf(full, sizeof(full), "%s%s%s", path[0] == '/' ? "" : ROTO_SOURCE_DIR,
             path[0] == '/' ? "" : "/", path);
    FILE *file = fopen(full, "rb");
    if (!file)
        fail_msg("cannot open %s", full);
    fseek(file, 0, SEEK_END);
    const size_t n = (size_t)ftell(file);
    rewind(file);
    golden *g = calloc(1, sizeof(*g));
    assert_non_null(g);
    g->bytes = malloc(n);
    assert_non_null(g->bytes);
    assert_int_equal(fread(g->bytes, 1, n, file), n);
    fclose(file);
    uint64_t header_bytes;
    memcpy(&header_bytes, g->bytes, sizeof(header_bytes));
    assert_true(header_bytes < n - 8);
    g->header = cJSON_ParseWithLength(g->bytes + 8, header_bytes);
    assert_non_null(g->header);
    g->data = g->bytes + 8 + header_bytes;
    return g;
}

void golden_close(golden *g)
{
    cJSON_Delete(g->header);
    free(g->bytes);
    free(g);
}

/* The bytes of a tensor: from *first, up to the value returned. */
static int64_t extent_of(const golden *g, const char *name, int64_t *first)
{
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(g->header, name);
    if (!entry)
        fail_msg("no golden values called %s", name);
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    *first = (int64_t)cJSON_GetArrayItem(offsets, 0)->valuedouble;
    return (int64_t)cJSON_GetArrayItem(offsets, 1)->valuedouble;
}

int64_t golden_count(const golden *g, const char *name)
{
    int64_t first;
    const int64_t end = extent_of(g, name, &first);
    return (end - first) / (int64_t)sizeof(float);
}

const float *golden_get(const golden *g, const char *name, int64_t count)
{
    int64_t first;
    const int64_t end = extent_of(g, name, &first);
    assert_int_equal(end - first, count * (int64_t)sizeof(float));
    /* The header is padded to 8 bytes, and floats follow floats. */
    return (const float *)(const void *)(g->data + first);
}

const char *golden_metadata(const golden *g, const char *key)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(g->header, "__metadata__");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, key));
    if (!text)
        fail_msg("no metadata called %s", key);
    return text;
}
