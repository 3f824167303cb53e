/* tests/support/temp_folder.h - a folder for one test, removed with everything in it. */
#ifndef TESTS_SUPPORT_TEMP_FOLDER_H
#define TESTS_SUPPORT_TEMP_FOLDER_H

#include "support/cmocka_all.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct temp_folder {
    char path[64];
} temp_folder;

typedef struct temp_path {
    char text[384];
} temp_path;

static inline temp_folder temp_folder_new(void)
{
    temp_folder folder = {"/tmp/roto-test-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static inline temp_path temp_folder_join(const temp_folder *folder, const char *name)
{
    temp_path path;
    snprintf(path.text, sizeof(path.text), "%s/%s", folder->path, name);
    return path;
}

static inline void temp_folder_put(const temp_path *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path->text, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

/* The file's content with a NUL behind it; free it. */
static inline char *temp_folder_get(const temp_path *path, size_t *bytes)
{
    FILE *file = fopen(path->text, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*bytes + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    data[*bytes] = 0;
    fclose(file);
    return data;
}

static inline int temp_folder_count(const temp_folder *folder)
{
    DIR *dir = opendir(folder->path);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static inline void temp_folder_remove(const temp_folder *folder)
{
    DIR *dir = opendir(folder->path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        temp_path path = temp_folder_join(folder, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            assert_int_equal(remove(path.text), 0);
    }
    closedir(dir);
    assert_int_equal(rmdir(folder->path), 0);
}

#endif
