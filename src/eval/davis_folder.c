#include "eval/davis_folder.h"

#include "base/error.h"
#include "base/memory.h"
#include "eval/file_list.h"

#include <roto/system.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where files of a sequence lie: ROOT/before/SEQUENCE/after. */
typedef struct place {
    const char *before, *after;
} place;

static const struct {
    place truth, images[3]; /* the first that is there */
} LAYOUTS[] = {
    {{"Annotations/480p/", ""}, {{"JPEGImages/480p/", ""}}},
    {{"Annotations/", ""}, {{"JPEGImages/", ""}}},
    {{"", "/Annotations"}, {{"", "/JPEGImages"}, {"", "/images"}}},
};
enum { N_LAYOUTS = sizeof(LAYOUTS) / sizeof(LAYOUTS[0]) };

struct davis_folder {
    char *root;
    int layout;
    names sequences;
};

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Free it; NULL (message set) when out of memory. */
static char *path_of(const davis_folder *folder, const place *p, const char *sequence)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s%s%s", folder->root, p->before, sequence, p->after) >= 0)
        return path;
    roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    return NULL;
}

static roto_status list_sequences(davis_folder *folder)
{
    const place *truth = &LAYOUTS[folder->layout].truth;
    char *parent = path_of(folder, &(place){truth->before, ""}, "");
    if (!parent)
        return ROTO_ERROR_MEMORY;
    DIR *dir = opendir(parent);
    free(parent);
    if (!dir)
        return ROTO_OK; /* another layout */
    roto_status status = ROTO_OK;
    for (struct dirent *entry; status == ROTO_OK && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = path_of(folder, truth, entry->d_name);
        if (!path)
            status = ROTO_ERROR_MEMORY;
        else if (is_folder(path))
            status = names_add(&folder->sequences, entry->d_name);
        free(path);
    }
    closedir(dir);
    return status;
}

roto_status davis_folder_open(const char *root, davis_folder **out)
{
    *out = NULL;
    if (!is_folder(root))
        return roto_fail(ROTO_ERROR_IO, "%s: there is no such folder", root);
    davis_folder *folder = memory_new_array(1, sizeof(*folder));
    if (!folder)
        return ROTO_ERROR_MEMORY;
    roto_status status = ROTO_ERROR_MEMORY;
    folder->root = memory_copy_string(root);
    if (!folder->root)
        goto fail;
    status = ROTO_OK;
    for (int i = 0; status == ROTO_OK && i < N_LAYOUTS && folder->sequences.n == 0; i++) {
        folder->layout = i;
        status = list_sequences(folder);
    }
    if (status == ROTO_OK && folder->sequences.n == 0)
        status = roto_fail(ROTO_ERROR_IO,
                           "%s: no sequences; Annotations/480p/SEQUENCE, Annotations/SEQUENCE or "
                           "SEQUENCE/Annotations is expected",
                           root);
    if (status != ROTO_OK)
        goto fail;
    names_sort(&folder->sequences);
    *out = folder;
    return ROTO_OK;
fail:
    davis_folder_free(folder);
    return status;
}

void davis_folder_free(davis_folder *folder)
{
    if (!folder)
        return;
    names_free(&folder->sequences);
    free(folder->root);
    free(folder);
}

const names *davis_folder_sequences(const davis_folder *folder)
{
    return &folder->sequences;
}

/* ---- one sequence ----------------------------------------------------------------------------
 */

roto_status davis_folder_check(const davis_folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->sequences.n; i++)
        if (strcmp(folder->sequences.items[i], name) == 0)
            return ROTO_OK;
    const char *nearest = roto_nearest_name(name, (const char *const *)folder->sequences.items,
                                            (int32_t)folder->sequences.n);
    if (nearest)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "%s: there is no sequence \"%s\"; did you mean \"%s\"?", folder->root,
                         name, nearest);
    return roto_fail(ROTO_ERROR_ARGUMENT, "%s: there is no sequence \"%s\"", folder->root, name);
}

static roto_status list_masks(const davis_folder *folder, const char *name, file_list *out)
{
    static const char *const endings[] = {".png", NULL};
    char *path = path_of(folder, &LAYOUTS[folder->layout].truth, name);
    if (!path)
        return ROTO_ERROR_MEMORY;
    bool exists = false;
    roto_status status = file_list_read(path, endings, out, &exists);
    if (status == ROTO_OK && out->n == 0)
        status = roto_fail(ROTO_ERROR_IO, "%s: holds no PNG file", path);
    free(path);
    return status;
}

static roto_status list_images(const davis_folder *folder, const char *name, file_list *out)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", NULL};
    bool exists = false;
    char *path = NULL;
    const place *places = LAYOUTS[folder->layout].images;
    roto_status status = ROTO_OK;
    for (int i = 0; i < 3 && places[i].before && status == ROTO_OK && !exists; i++) {
        free(path);
        path = path_of(folder, &places[i], name);
        status = path ? file_list_read(path, endings, out, &exists) : ROTO_ERROR_MEMORY;
    }
    if (status == ROTO_OK && out->n == 0)
        status = roto_fail(ROTO_ERROR_IO, "%s: %s", path,
                           exists ? "holds no PNG or JPEG file" : "there is no such folder");
    free(path);
    return status;
}

static bool same_stem(const listed_file *a, const listed_file *b)
{
    return a->n_stem == b->n_stem && memcmp(a->path + a->stem, b->path + b->stem, a->n_stem) == 0;
}

/* Two files for one frame would leave open which is meant. */
static roto_status check_stems(const file_list *list)
{
    for (size_t i = 1; i < list->n; i++)
        if (same_stem(&list->files[i - 1], &list->files[i]))
            return roto_fail(ROTO_ERROR_FORMAT, "%s and %s are of the same frame",
                             list->files[i - 1].path, list->files[i].path);
    return ROTO_OK;
}

static roto_status take_frame(const listed_file *file, davis_frame *out)
{
    if (asprintf(&out->name, "%.*s", (int)file->n_stem, file->path + file->stem) < 0) {
        out->name = NULL;
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    }
    return ROTO_OK;
}

static roto_status copy_path(const listed_file *file, char **out)
{
    *out = memory_copy_string(file->path);
    return *out ? ROTO_OK : ROTO_ERROR_MEMORY;
}

static roto_status make_frames(const file_list *masks, const file_list *images, davis_sequence *out)
{
    const file_list *from = images->n ? images : masks;
    out->frames = memory_new_array(from->n, sizeof(*out->frames));
    if (!out->frames)
        return ROTO_ERROR_MEMORY;
    size_t next = 0; /* both lists are in the order of their stems */
    for (size_t i = 0; i < from->n; i++) {
        davis_frame *frame = &out->frames[out->n_frames++];
        ROTO_TRY(take_frame(&from->files[i], frame));
        if (images->n)
            ROTO_TRY(copy_path(&images->files[i], &frame->image));
        if (next < masks->n && same_stem(&masks->files[next], &from->files[i]))
            ROTO_TRY(copy_path(&masks->files[next++], &frame->mask));
    }
    if (next < masks->n)
        return roto_fail(ROTO_ERROR_IO, "%s: there is no image of that frame",
                         masks->files[next].path);
    return ROTO_OK;
}

roto_status davis_sequence_read(const davis_folder *folder, const char *name, bool with_images,
                                davis_sequence *out)
{
    *out = (davis_sequence){0};
    file_list masks = {0}, images = {0};
    roto_status status = list_masks(folder, name, &masks);
    if (status == ROTO_OK && with_images)
        status = list_images(folder, name, &images);
    if (status != ROTO_OK)
        goto done;
    file_list_sort_by_stem(&masks);
    file_list_sort_by_stem(&images);
    status = check_stems(&masks);
    if (status == ROTO_OK)
        status = check_stems(&images);
    if (status != ROTO_OK)
        goto done;
    out->name = memory_copy_string(name);
    status = out->name ? make_frames(&masks, &images, out) : ROTO_ERROR_MEMORY;
done:
    file_list_free(&masks);
    file_list_free(&images);
    if (status != ROTO_OK)
        davis_sequence_free(out);
    return status;
}

void davis_sequence_free(davis_sequence *sequence)
{
    for (size_t i = 0; i < sequence->n_frames; i++) {
        free(sequence->frames[i].name);
        free(sequence->frames[i].image);
        free(sequence->frames[i].mask);
    }
    free(sequence->frames);
    free(sequence->name);
    *sequence = (davis_sequence){0};
}
