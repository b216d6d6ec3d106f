/* Values and Jacobians of a batch on a GPU, one warp a program. */

/* Values [rows, points], and where `jacobian` is given the derivatives [rows, width, points], at any number
   of points; IEEE divisions. */
KERNEL void evaluate(const Job *given, double *values, double *jacobian)
{
    const Job job = *given;
    for (int row = next(job.counter); row < job.todo; row = next(job.counter)) {
        const int64_t begin = (int64_t)row * job.width;
        const int k = job.k[row];
        const Tape t =
            decode(job.op + begin, job.arg + 3 * begin, job.n[row], k, rows_of(job.most_n, job.most_k) * WARP);
        for (int j = 0; j < k; j++) {
            const double c = job.constants[begin + j];
            constant(t, j) = pair(c, c);
        }
        for (int p = 2 * t.lane; p < job.points; p += 2 * WARP) {
            const int q = p + 1 < job.points ? p + 1 : p;
            cell(t, 0) = pair(job.x[p], job.x[q]);
            forward<double>(t, t.n);
            const Pair v = value(t, t.n - 1);
            double *out = values + (int64_t)row * job.points;
            out[p] = v.x;
            out[q] = q > p ? v.y : v.x;
            if (!jacobian) continue;
            adjoint(t, t.n - 1) = pair(1.0, 1.0);
            reverse<double, false>(t, t.n);
            for (int j = 0; j < k; j++) {
                double *slopes = jacobian + (begin + j) * job.points;
                slopes[p] = slope(t, j).x;
                slopes[q] = q > p ? slope(t, j).y : slope(t, j).x;
            }
        }
    }
}
