#include "pipeline/latency.h"

#include <math.h>

static const double FIRST_BIN_NS = 1000;
static const double BIN_RATIO = 1.005;

void latency_add(latency *l, int64_t ns)
{
    double bin = ns > FIRST_BIN_NS ? log((double)ns / FIRST_BIN_NS) / log(BIN_RATIO) : 0;
    l->counts[bin < LATENCY_N_BINS - 1 ? (int)bin : LATENCY_N_BINS - 1]++;
    l->n++;
}

double latency_quantile_ns(const latency *l, double share)
{
    if (l->n == 0)
        return 0;
    int64_t wanted = (int64_t)ceil(share * (double)l->n), passed = 0;
    int bin = 0;
    while (bin < LATENCY_N_BINS - 1 && (passed += l->counts[bin]) < wanted)
        bin++;
    return FIRST_BIN_NS * pow(BIN_RATIO, bin + 0.5);
}
