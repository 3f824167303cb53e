/* environment.h - the one place where the program looks at its surroundings: environment variables
 * and where it is installed. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stdbool.h>

enum { PATH_BYTES = 4096 };

#define DEFAULT_DETECTOR "yolox_nano.onnx"
#define DEFAULT_SEGMENTER "roto_s.safetensors"

typedef struct path_text {
    char text[PATH_BYTES];
} path_text;

/* Where a model named on the command line is: `name` itself when it is a file or has a slash, else
 * in ROTO_MODEL_DIR, else among the models that came with the program. NULL stands for `fallback`.
 * False when no place can be named; a file that is not there is for its reader to report. */
bool environment_find_model(const char *name, const char *fallback, path_text *out);

/* A file in the folder that the program came with (share/roto). */
bool environment_find_asset(const char *relative, path_text *out);

/* A folder for files that nobody wants to keep. */
const char *environment_temp_folder(void);

#endif
