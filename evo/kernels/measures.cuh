/* Errors of fitted programs at the select points, one warp a program: what fit.h's measure says of them. */

/* Of the rows `job.chosen`: error, status, place and behaviour [todo]. `curve` [todo, probes] is room for the
   signed errors at the probe points. IEEE divisions. */
KERNEL void measures(const Job *given, uint64_t probes, double *worst, uint64_t *behaviour, double *curve)
{
    const Job job = *given;
    for (int at = next(job.counter); at < job.todo; at = next(job.counter)) {
        const int row = job.chosen[at], k = job.k[row];
        const int64_t begin = (int64_t)row * job.width;
        const Tape t =
            decode(job.op + begin, job.arg + 3 * begin, job.n[row], k, (1 + job.most_n + job.most_k) * WARP);
        double *mine = curve + (int64_t)at * (int64_t)probes, most = -1.0;
        int place = 0;
        uint64_t below = 0, above = 0; /* a bit an instruction: divisors that are negative somewhere, and not */
        for (int j = 0; j < k; j++) {
            const double c = job.constants[begin + j];
            constant(t, j) = pair(c, c);
        }
        for (int p = 2 * t.lane; p < job.points; p += 2 * WARP) {
            const int q = p + 1 < job.points ? p + 1 : p;
            cell(t, 0) = pair(job.x[p], job.x[q]);
            forward<double>(t, t.n);
            const Pair v = value(t, t.n - 1);
            for (int half = 0; half < 2; half++) {
                const int point = half ? q : p;
                const double error = ((half ? v.y : v.x) - job.exact[point]) * job.weight[point];
                const double size = fabs(error) < INFINITY ? fabs(error) : INFINITY;
                if (size > most) most = size, place = point;
                for (int b = 0; b < (int)probes; b++)
                    if ((2 * b + 1) * job.points / (2 * (int)probes) == point) mine[b] = error;
            }
            for (int i = 0; i < t.n; i++) {
                const int4 in = instruction(t, i);
                const int by = DIVISOR[in.x & 255];
                if (by == NOTHING) continue;
                const Pair d = cells[(by == 0 ? in.y : by == 1 ? in.z : in.w) + t.lane];
                if (d.x < 0 || d.y < 0) below |= 1ull << i;
                if (!(d.x < 0) || !(d.y < 0)) above |= 1ull << i;
            }
        }
        const double error = largest(most), first = -largest(most == error ? -(double)place : -INFINITY);
        bool pole = false;
        for (int i = 0; i < t.n; i++)
            if (DIVISOR[instruction(t, i).x & 255] != NOTHING) pole |= any(below >> i & 1) && any(above >> i & 1);
        meet();
        if (t.lane) continue;
        worst[at] = job.x[(int)first];
        behaviour[at] = behaviour_of(mine, (int64_t)probes, error);
        job.status[at] = !(error < INFINITY) ? NOT_FINITE : pole ? POLE : FITTED;
        job.error[at] = pole ? INFINITY : error;
    }
}
