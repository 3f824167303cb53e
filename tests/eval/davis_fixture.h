/* tests/eval/davis_fixture.h - folders of sequences, filled in by the tests. */
#ifndef TESTS_EVAL_DAVIS_FIXTURE_H
#define TESTS_EVAL_DAVIS_FIXTURE_H

#include "support/temp_folder.h"

#include "eval/golden.h"
#include "format/rle.h"

#include <ftw.h>
#include <roto/image.h>
#include <sys/stat.h>

static inline void make_folder(const temp_folder *root, const char *name)
{
    const temp_path path = temp_folder_join(root, name);
    assert_int_equal(mkdir(path.text, 0777), 0);
}

static inline int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void remove_all(const temp_folder *root)
{
    assert_int_equal(nftw(root->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline roto_image gray_image(const uint8_t *ids, int32_t width, int32_t height)
{
    return (roto_image){.width = width,
                        .height = height,
                        .format = ROTO_PIXEL_GRAY8,
                        .plane = {ids},
                        .stride_bytes = {width}};
}

static inline void put_ids(const temp_folder *root, const char *folder, int frame,
                           const uint8_t *ids, int32_t width, int32_t height)
{
    char name[128];
    snprintf(name, sizeof(name), "%.100s/%05d.png", folder, frame);
    const temp_path path = temp_folder_join(root, name);
    const roto_image image = gray_image(ids, width, height);
    assert_int_equal(roto_image_write_ids(path.text, &image), ROTO_OK);
}

/* {id: run lengths} as a picture of ids; with `value` not 0, that instead of the ids. */
static inline void draw_runs(const cJSON *runs, int32_t width, int32_t height, uint8_t value,
                             uint8_t *ids)
{
    const size_t n = (size_t)width * (size_t)height;
    uint8_t *one = malloc(n);
    assert_non_null(one);
    memset(ids, 0, n);
    rle_mask rle = {0};
    const cJSON *text;
    cJSON_ArrayForEach(text, runs)
    {
        const size_t bytes = strlen(text->valuestring);
        assert_int_equal(rle_read_text(text->valuestring, bytes, width, height, &rle), ROTO_OK);
        rle_decode(&rle, value ? value : (uint8_t)atoi(text->string), one, width);
        for (size_t i = 0; i < n; i++)
            ids[i] |= one[i];
    }
    rle_free(&rle);
    free(one);
}

#endif
