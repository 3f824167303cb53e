#include "environment.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool join(path_text *out, const char *folder, const char *middle, const char *name)
{
    int n = snprintf(out->text, sizeof(out->text), "%s%s%s", folder, middle, name);
    return n > 0 && (size_t)n < sizeof(out->text);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

_Static_assert(PATH_BYTES >= PATH_MAX, "realpath writes that much");

/* The folder of the running program, symbolic links resolved. */
static bool program_folder(path_text *out)
{
    ssize_t n = readlink("/proc/self/exe", out->text, sizeof(out->text) - 1);
    if (n <= 0)
        return false;
    out->text[n] = 0;
    char *slash = strrchr(out->text, '/');
    if (!slash)
        return false;
    *slash = 0;
    return true;
}

bool environment_find_asset(const char *relative, path_text *out)
{
    path_text folder;
    if (!program_folder(&folder))
        return false;
    /* bin/roto beside share/roto, which in a build tree is a link to assets/. */
    path_text path;
    return join(&path, folder.text, "/../share/roto/", relative) && realpath(path.text, out->text);
}

bool environment_find_model(const char *name, const char *fallback, path_text *out)
{
    if (name && (strchr(name, '/') || is_there(name)))
        return join(out, name, "", "");
    if (!name)
        name = fallback;
    const char *dir = getenv("ROTO_MODEL_DIR");
    if (dir && *dir)
        return join(out, dir, "/", name);
    path_text relative;
    if (!join(&relative, "models/", "", name))
        return false;
    if (environment_find_asset(relative.text, out))
        return true;
    /* With an extension forgotten, the reader's message names what was looked for. */
    return join(out, name, "", "");
}

const char *environment_temp_folder(void)
{
    const char *dir = getenv("TMPDIR");
    return dir && *dir ? dir : "/tmp";
}
