/* eval/file_list.h - the files of a folder and all folders in it. */
#ifndef EVAL_FILE_LIST_H
#define EVAL_FILE_LIST_H

#include <roto/error.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct listed_file {
    char *path;    /* with the folder in front */
    size_t folder; /* bytes of path that are the folder given to file_list_read() and a slash */
    size_t stem, n_stem; /* where in path the name without its ending is */
} listed_file;

typedef struct file_list {
    listed_file *files; /* sorted by path */
    size_t n, capacity;
} file_list;

/* Files whose names end like one of `endings` (NULL-terminated, lower case; case does not matter).
 * Hidden ones are left out. *exists is false, and that no error, when there is no such folder. */
roto_status file_list_read(const char *folder, const char *const *endings, file_list *out,
                           bool *exists);
void file_list_free(file_list *list);

/* The file with the stem of `like`; among several, the one in the folder of the same name; NULL
 * when there is none. The list has been sorted by file_list_sort_by_stem(). */
void file_list_sort_by_stem(file_list *list);
const listed_file *file_list_find(const file_list *list, const listed_file *like);

#endif
