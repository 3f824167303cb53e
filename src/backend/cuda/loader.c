/* The CUDA backend as the rest of roto sees it: libroto_cuda.so is loaded when it is first asked
 * for, so that roto itself needs neither CUDA's libraries nor a GPU. */
#include "backend/cuda/loader.h"

#include "backend/cuda/module/module.h"
#include "base/error.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Loaded once and never unloaded: CUDA's libraries do not survive that. */
static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static const cuda_module *module;
static char load_error[512];

static const cuda_module *check_module(void *library)
{
    cuda_module_fn *find;
    *(void **)&find = dlsym(library, CUDA_MODULE_SYMBOL);
    const cuda_module *m = find ? find() : NULL;
    if (m && strcmp(m->version, ROTO_VERSION) == 0 && m->node_bytes == sizeof(graph_node) &&
        m->params_bytes == sizeof(backend_params) && m->table_bytes == sizeof(backend_table))
        return m;
    snprintf(load_error, sizeof(load_error),
             "%s is of another build of roto than this one (%s); install both together",
             CUDA_MODULE_FILE, ROTO_VERSION);
    return NULL;
}

/* Beside the file that this code is in (libroto.so, or a program that holds it), else wherever the
 * system's loader looks. */
static void load(void)
{
    char path[PATH_MAX] = CUDA_MODULE_FILE;
    Dl_info self;
    if (dladdr((const void *)&load_once, &self) && self.dli_fname) {
        const char *slash = strrchr(self.dli_fname, '/');
        const int folder = slash ? (int)(slash - self.dli_fname + 1) : 0;
        snprintf(path, sizeof(path), "%.*s%s", folder, self.dli_fname, CUDA_MODULE_FILE);
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *beside = library ? NULL : dlerror();
    char why[256];
    snprintf(why, sizeof(why), "%.250s", beside ? beside : "");
    if (!library)
        library = dlopen(CUDA_MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(load_error, sizeof(load_error),
                 "this installation has no CUDA backend (%s); build roto with -DROTO_CUDA=ON, or "
                 "use \"cpu\"",
                 why);
        return;
    }
    module = check_module(library);
}

static roto_status find_module(int device, const cuda_module **out)
{
    pthread_once(&load_once, load);
    *out = module;
    return module ? ROTO_OK
                  : roto_fail(ROTO_ERROR_DEVICE, "device 'cuda:%d': %s", device, load_error);
}

/* The module keeps its messages where this library does not see them. */
static roto_status pass_on(roto_status status)
{
    return status == ROTO_OK ? ROTO_OK : roto_fail(status, "%s", module->error_message());
}

roto_status cuda_device_count(int *out)
{
    const cuda_module *m;
    *out = 0;
    ROTO_TRY(find_module(0, &m));
    return pass_on(m->n_devices(out));
}

roto_status cuda_device_describe(int device, char *text, size_t text_bytes)
{
    const cuda_module *m;
    ROTO_TRY(find_module(device, &m));
    return pass_on(m->describe(device, text, text_bytes));
}

static roto_status cuda_open(const backend_params *params, backend **out)
{
    const cuda_module *m;
    *out = NULL;
    ROTO_TRY(find_module(params->device, &m));
    return pass_on(m->table->open(params, out));
}

static void cuda_close(backend *b)
{
    if (b)
        module->table->close(b);
}

static roto_status cuda_compile(backend *b, const graph *g, executable **out)
{
    return pass_on(module->table->compile(b, g, out));
}

static roto_status cuda_compile_bound(backend *b, const graph *g, const port_buffers *ports,
                                      executable **out)
{
    return pass_on(module->table->compile_bound(b, g, ports, out));
}

static void cuda_release(executable *e)
{
    if (e)
        module->table->release(e);
}

static void *cuda_input(executable *e, int index)
{
    return module->table->input(e, index);
}

static const void *cuda_output(executable *e, int index)
{
    return module->table->output(e, index);
}

static roto_status cuda_run(executable *e)
{
    return pass_on(module->table->run(e));
}

static roto_status cuda_buffer_new(backend *b, buffer_kind kind, size_t n, buffer **out)
{
    return pass_on(module->table->buffer_new(b, kind, n, out));
}

static void cuda_buffer_free(buffer *of)
{
    if (of)
        module->table->buffer_free(of);
}

static roto_status cuda_enqueue(executable *e)
{
    return pass_on(module->table->enqueue(e));
}

static roto_status cuda_copy(backend *b, backend_queue queue, const buffer_copy *copies, int n)
{
    return pass_on(module->table->copy(b, queue, copies, n));
}

static roto_status cuda_queue_after(backend *b, backend_queue waiting, backend_queue other)
{
    return pass_on(module->table->queue_after(b, waiting, other));
}

static roto_status cuda_show(backend *b, backend_queue queue, const picture_view *views, int n)
{
    return pass_on(module->table->show(b, queue, views, n));
}

static roto_status cuda_wait(backend *b)
{
    return pass_on(module->table->wait(b));
}

static roto_status cuda_profile(executable *e, const kernel_info **infos, int *n_infos)
{
    return pass_on(module->table->profile(e, infos, n_infos));
}

static size_t cuda_memory_bytes(const executable *e)
{
    return module->table->memory_bytes(e);
}

static void cuda_calls(backend_calls *out)
{
    *out = (backend_calls){.runs = 0};
    if (module)
        module->table->calls(out);
}

const backend_table backend_cuda = {
    .name = "cuda",
    .open = cuda_open,
    .close = cuda_close,
    .compile = cuda_compile,
    .compile_bound = cuda_compile_bound,
    .release = cuda_release,
    .input = cuda_input,
    .output = cuda_output,
    .run = cuda_run,
    .buffer_new = cuda_buffer_new,
    .buffer_free = cuda_buffer_free,
    .enqueue = cuda_enqueue,
    .copy = cuda_copy,
    .show = cuda_show,
    .wait = cuda_wait,
    .queue_after = cuda_queue_after,
    .calls = cuda_calls,
    .works_ahead = true,
    .largest_batch = 8, /* with more, memory grows and nothing else */
    .profile = cuda_profile,
    .memory_bytes = cuda_memory_bytes,
};
