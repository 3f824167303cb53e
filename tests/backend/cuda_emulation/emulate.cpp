#include "emulate.h"

#include "counts.h"

#include <deque>
#include <map>
#include <set>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

uint3 emulated_thread_idx, emulated_block_idx;
dim3 emulated_block_dim, emulated_grid_dim;

namespace
{
enum { MAX_THREADS = 1024, STACK_BYTES = 128 << 10, SHARED_BYTES = 228 << 10, N_BARRIERS = 16 };

struct copy {
    void *to;
    const void *from;
    size_t bytes, valid;
    int group;
};

struct fiber {
    jmp_buf at;
    ucontext_t start;
    bool created, done;
    std::vector<copy> copies;
    int n_groups;
};

struct meeting { /* of a warp or a warpgroup */
    void *args[128];
    int n_arrived;
    unsigned generation;
};

struct barrier {
    int n_arrived;
    unsigned generation;
};

fiber fibers[MAX_THREADS];
meeting warps[MAX_THREADS / 32], warpgroups[MAX_THREADS / 128];
barrier barriers[N_BARRIERS];
jmp_buf scheduler;
int self;
unsigned long progress;
const std::function<void()> *kernel_body;
alignas(1024) unsigned char shared[SHARED_BYTES];

void yield()
{
    if (_setjmp(fibers[self].at) == 0)
        _longjmp(scheduler, 1);
}

void fiber_main()
{
    for (;;) {
        (*kernel_body)();
        fibers[self].done = true;
        progress++;
        yield();
    }
}

void resume(int i)
{
    fiber *f = &fibers[i];
    self = i;
    emulated_thread_idx = {(unsigned)i, 0, 0};
    if (_setjmp(scheduler) != 0)
        return;
    if (f->created)
        _longjmp(f->at, 1);
    f->created = true;
    getcontext(&f->start);
    f->start.uc_stack.ss_sp = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    f->start.uc_stack.ss_size = STACK_BYTES;
    f->start.uc_link = NULL;
    makecontext(&f->start, fiber_main, 0);
    setcontext(&f->start);
}

bool run_block(int n_threads, size_t shared_bytes, bool backwards)
{
    memset(shared, 0xff, shared_bytes);
    memset(barriers, 0, sizeof(barriers));
    memset(warps, 0, sizeof(warps));
    memset(warpgroups, 0, sizeof(warpgroups));
    for (int i = 0; i < n_threads; i++) {
        fibers[i].done = false;
        fibers[i].copies.clear();
        fibers[i].n_groups = 0;
    }
    for (int idle = 0; idle < 3;) {
        const unsigned long before = progress;
        bool all_done = true;
        for (int k = 0; k < n_threads; k++) {
            const int i = backwards ? n_threads - 1 - k : k;
            if (fibers[i].done)
                continue;
            resume(i);
            all_done = all_done && fibers[i].done;
        }
        if (all_done)
            return true;
        idle = progress == before ? idle + 1 : 0;
    }
    fprintf(stderr, "emulation: block (%u, %u, %u): threads wait for each other forever\n",
            emulated_block_idx.x, emulated_block_idx.y, emulated_block_idx.z);
    /* Their stacks are in the middle of a kernel: never resumed. */
    for (int i = 0; i < n_threads; i++)
        fibers[i].created = false;
    return false;
}

bool run_grid(const std::function<void()> &body, dim3 grid, unsigned block_threads,
              size_t shared_bytes)
{
    kernel_body = &body;
    emulated_block_dim = dim3(block_threads);
    emulated_grid_dim = grid;
    unsigned n = 0;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                emulated_block_idx = {x, y, z};
                if (!run_block((int)block_threads, shared_bytes, n++ % 2 == 1))
                    return false;
            }
    return true;
}

/* ---- streams: what is asked for is done when somebody waits, so that a host that does not wait,
 * or that changes what is still to be copied, gets wrong results. What other streams were given
 * is done as late as events allow, or as early, in turns. ---- */

typedef std::function<bool()> work;
typedef std::vector<work> work_list;
typedef std::vector<size_t> index_list;

struct item { /* of a stream: work, or waiting for another stream's first so many items */
    work what;
    cudaStream_t needs;
    size_t n_needed;
};
struct stream_items {
    std::deque<item> left;
    size_t n_done;
};
std::map<cudaStream_t, stream_items> streams;
bool early;  /* what other streams were given comes first, the next time */
bool failed; /* since the last wait */
emulated_counts counts;

/* A graph being captured: its launches and copies, and which of them each comes after. */
struct recorded {
    work_list list;
    std::vector<index_list> after;
    std::map<cudaStream_t, index_list> latest; /* what the stream's next work comes after */
    cudaStream_t origin;
} * recording;

void submit(work what, cudaStream_t stream)
{
    if (!recording) {
        streams[stream].left.push_back({std::move(what), NULL, 0});
        return;
    }
    if (stream != recording->origin && !recording->latest.count(stream)) {
        fprintf(stderr,
                "emulation: a stream takes part in recording that waits for none that does\n");
        abort();
    }
    const size_t index = recording->list.size();
    recording->list.push_back(std::move(what));
    recording->after.push_back(recording->latest[stream]);
    recording->latest[stream] = {index};
}

/* An order that the graph allows and that is as far from the one of recording as can be: what was
 * recorded last runs first. */
work_list backwards(const recorded &graph)
{
    const size_t n = graph.list.size();
    std::vector<size_t> n_before(n);
    std::vector<index_list> next(n);
    for (size_t i = 0; i < n; i++)
        for (size_t before : graph.after[i]) {
            n_before[i]++;
            next[before].push_back(i);
        }
    std::set<size_t> ready;
    for (size_t i = 0; i < n; i++)
        if (n_before[i] == 0)
            ready.insert(i);
    work_list list;
    while (!ready.empty()) {
        const size_t i = *ready.rbegin();
        ready.erase(i);
        list.push_back(graph.list[i]);
        for (size_t k : next[i])
            if (--n_before[k] == 0)
                ready.insert(k);
    }
    return list;
}

/* Whether the stream that recording began in waits for everything at its end. */
bool all_joined(const recorded &graph)
{
    std::vector<bool> joined(graph.list.size());
    index_list reach;
    const auto end = graph.latest.find(graph.origin);
    if (end != graph.latest.end())
        reach = end->second;
    while (!reach.empty()) {
        const size_t i = reach.back();
        reach.pop_back();
        if (joined[i])
            continue;
        joined[i] = true;
        reach.insert(reach.end(), graph.after[i].begin(), graph.after[i].end());
    }
    for (bool each : joined)
        if (!each)
            return false;
    return true;
}

size_t n_given(cudaStream_t stream)
{
    return streams[stream].n_done + streams[stream].left.size();
}

void run_stream(cudaStream_t stream, size_t n)
{
    stream_items &s = streams[stream];
    while (s.n_done < n) {
        const item next = std::move(s.left.front());
        s.left.pop_front();
        if (next.needs)
            run_stream(next.needs, next.n_needed);
        else
            failed = !next.what() || failed;
        s.n_done++;
    }
}

void run_all()
{
    for (auto &each : streams)
        run_stream(each.first, n_given(each.first));
}

cudaError_t drain(cudaStream_t stream = NULL)
{
    if (!stream || early)
        run_all();
    else
        run_stream(stream, n_given(stream));
    early = !early;
    const bool bad = failed;
    failed = false;
    return bad ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t synchronize(cudaStream_t stream = NULL)
{
    counts.waits++;
    return drain(stream);
}
} // namespace

struct emulated_graph {
    recorded what;
};
struct emulated_graph_exec {
    work_list list;
};

const emulated_counts *emulated_counts_get(void)
{
    return &counts;
}

bool emulate_launch(const std::function<void()> &body, dim3 grid, unsigned block_threads,
                    size_t shared_bytes, cudaStream_t stream)
{
    if (block_threads > MAX_THREADS || block_threads == 0 || shared_bytes > SHARED_BYTES ||
        grid.y > 65535 || grid.z > 65535 || grid.x == 0 || grid.y == 0 || grid.z == 0) {
        fprintf(stderr, "emulation: a launch of (%u, %u, %u) x %u threads with %zu bytes\n", grid.x,
                grid.y, grid.z, block_threads, shared_bytes);
        return false;
    }
    submit(
        [=] {
            counts.launches++;
            return run_grid(body, grid, block_threads, shared_bytes);
        },
        stream);
    return true;
}

unsigned char *emulated_shared(void)
{
    return shared;
}

void emulated_progress(void)
{
    progress++;
}

void emulated_wait(const std::function<bool()> &ready)
{
    while (!ready())
        yield();
    progress++;
}

void emulated_arrival(int id, int n_threads)
{
    barrier *b = &barriers[id];
    progress++;
    if (++b->n_arrived == n_threads) {
        b->n_arrived = 0;
        b->generation++;
    }
}

void emulated_barrier(int id, int n_threads)
{
    const barrier *b = &barriers[id];
    const unsigned generation = b->generation;
    emulated_arrival(id, n_threads);
    while (b->generation == generation)
        yield();
}

void emulated_collective(int group_threads, void (*fn)(void *const *args), void *arg)
{
    meeting *m = group_threads == 32 ? &warps[self / 32] : &warpgroups[self / 128];
    progress++;
    m->args[self % group_threads] = arg;
    if (++m->n_arrived == group_threads) {
        fn(m->args);
        m->n_arrived = 0;
        m->generation++;
        return;
    }
    const unsigned generation = m->generation;
    while (m->generation == generation)
        yield();
}

void emulated_shuffle(void *const *args)
{
    for (int lane = 0; lane < 32; lane++) {
        shuffle_arg *own = (shuffle_arg *)args[lane];
        own->result = ((const shuffle_arg *)args[own->source])->value;
    }
}

void emulated_copy_async(void *to, const void *from, size_t bytes, size_t valid_bytes)
{
    fibers[self].copies.push_back({to, from, bytes, valid_bytes, fibers[self].n_groups});
    memset(to, 0xff, bytes); /* until then its value is undefined */
}

void emulated_copy_commit(void)
{
    fibers[self].n_groups++;
}

void emulated_copy_wait(int n_groups_left)
{
    fiber *f = &fibers[self];
    size_t kept = 0;
    for (size_t i = 0; i < f->copies.size(); i++) {
        const copy c = f->copies[i];
        if (c.group >= f->n_groups - n_groups_left) {
            f->copies[kept++] = c;
            continue;
        }
        memcpy(c.to, c.from, c.valid);
        memset((char *)c.to + c.valid, 0, c.bytes - c.valid);
    }
    f->copies.resize(kept);
}

/* ---- the runtime ---- */

namespace
{
enum { PAGE_BYTES = 4096, ALIGN_BYTES = 256 };

struct block_header { /* before device memory, at the start of its mapping */
    void *mapping;
    size_t bytes;
};
} // namespace

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    counts.allocations++;
    const size_t padded = (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    const size_t pages = (padded + ALIGN_BYTES + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    char *mapping = (char *)mmap(NULL, pages + PAGE_BYTES, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return cudaErrorMemoryAllocation;
    mprotect(mapping + pages, PAGE_BYTES, PROT_NONE);
    char *data = mapping + pages - padded;
    memset(data, 0xff, padded);
    *(block_header *)(data - ALIGN_BYTES) = {mapping, pages + PAGE_BYTES};
    *out = data;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    (void)drain(); /* nothing may use it any more */
    if (p) {
        const block_header h = *(block_header *)((char *)p - ALIGN_BYTES);
        munmap(h.mapping, h.bytes);
    }
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    counts.allocations++;
    *out = malloc(bytes ? bytes : 1);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *p)
{
    (void)drain();
    free(p);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind)
{
    memcpy(to, from, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    submit(
        [=] {
            const bool to_host = kind == cudaMemcpyDeviceToHost;
            (to_host ? counts.to_host : counts.to_device)++;
            (to_host ? counts.to_host_bytes : counts.to_device_bytes) += (long)bytes;
            memcpy(to, from, bytes);
            return true;
        },
        stream);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    submit(
        [=] {
            memset(to, value, bytes);
            return true;
        },
        stream);
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int)
{
    memset(prop, 0, sizeof(*prop));
    snprintf(prop->name, sizeof(prop->name), "emulated on the host");
    prop->major = 9;
    prop->multiProcessorCount = 4; /* few, so that small products take large tiles */
    prop->sharedMemPerBlockOptin = 227 << 10;
    prop->totalGlobalMem = (size_t)1 << 32;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaDeviceSynchronize(void)
{
    return synchronize();
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned, int)
{
    *out = (cudaStream_t)malloc(1);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    const cudaError_t error = drain();
    streams.erase(stream);
    free(stream);
    return error;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    return synchronize(stream);
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode)
{
    recording = new recorded;
    recording->origin = stream;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph)
{
    const bool joined = all_joined(*recording);
    *graph = joined ? new emulated_graph{std::move(*recording)} : NULL;
    delete recording;
    recording = NULL;
    return joined ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = new emulated_graph_exec{backwards(graph->what)};
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    for (const work &each : exec->list)
        submit(each, stream);
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return cudaSuccess;
}
struct emulated_event {
    index_list after; /* while recording */
    cudaStream_t stream;
    size_t n_given; /* to the stream, then */
};
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned)
{
    *out = new emulated_event();
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *out)
{
    return cudaEventCreateWithFlags(out, cudaEventDefault);
}
cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    if (recording) {
        event->after = recording->latest[stream];
    } else {
        event->stream = stream;
        event->n_given = n_given(stream);
    }
    return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    if (recording) {
        index_list &latest = recording->latest[stream];
        latest.insert(latest.end(), event->after.begin(), event->after.end());
    } else if (event->stream && event->stream != stream) {
        streams[stream].left.push_back({work(), event->stream, event->n_given});
    }
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t)
{
    return synchronize();
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t)
{
    *ms = 0;
    return cudaSuccess;
}
cudaError_t cudaGetLastError(void)
{
    return cudaSuccess;
}
const char *cudaGetErrorName(cudaError_t error)
{
    return error == cudaSuccess ? "cudaSuccess" : "emulated error";
}
const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaErrorLaunchFailure ? "a kernel failed" : "emulation";
}
