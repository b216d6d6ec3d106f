/* The fit of evo/kernels/fit.h on a GPU: one warp a candidate from its first start to its last Lawson round,
   then the next one that is left. Starts are those of fit.h, random draws included; up to eight of them take
   their cleared steps side by side, a group of lanes each (evo/kernels/clear.h).

   A launch takes programs of UNKNOWNS constants at no more than 64 points. */

/* A lane's points, its numbers of the current candidate, and where the warp's are in shared memory. */
struct Fitter {
    Tape t;
    bool active;                     /* has points */
    Pair x, exact, factor, weight, lawson, residual;
    double *factors;                 /* of the linear problem */
    double *vectors;                 /* of constants, K each: VECTORS, then the starts */
    double *squares;                 /* by start */
    double *multiplicity;            /* by value */
    uint64_t iterations;
};
enum { CURRENT, TRIAL, BEST, INHERITED, VECTORS };

DEVICE double *vector(const Fitter &f, int which) { return f.vectors + which * f.t.k; }
DEVICE double or_infinite(double v) { return v < INFINITY ? v : INFINITY; /* NaN compares false */ }

DEVICE void copy(const Fitter &f, double *to, const double *from)
{
    meet();
    for (int j = f.t.lane; j < f.t.k; j += WARP) to[j] = from[j];
    meet();
}

/* A vector of constants to the tape. */
DEVICE void put(const Fitter &f, const double *constants)
{
    for (int j = 0; j < f.t.k; j++) constant(f.t, j) = pair(constants[j], constants[j]);
}

/* As fit.h's, on CURRENT; also leaves the residual. One place in the code: it is most of the kernel. */
DEVICE double levenberg_marquardt(Fitter &f, int steps, double &damping)
{
    double best = INFINITY;
    bool fresh = false;
    put(f, vector(f, CURRENT));
#pragma unroll 1
    for (int i = 0; i <= steps; i++) { /* 0: the start's own sum */
        if (i > 0) {
            f.iterations++;
            if (!fresh) {
                if (f.active) {
                    adjoint(f.t, f.t.n - 1) = f.weight;
                    reverse<Real, false>(f.t, f.t.n);
                }
                factorise_columns(f.t, f.active, f.residual, f.factors);
                fresh = true;
            }
            damped_step(f.t, f.factors, damping, vector(f, CURRENT), vector(f, TRIAL));
        }
        f.residual = pair(0.0, 0.0);
        if (f.active) {
            forward<Real>(f.t, f.t.n);
            const Pair v = value(f.t, f.t.n - 1);
            f.residual = pair((v.x - f.exact.x) * f.weight.x, (v.y - f.exact.y) * f.weight.y);
        }
        const double found = or_infinite(sum<WARP>(dot(f.residual, f.residual)));
        if (i == 0) {
            best = found;
            if (best == INFINITY) break;
        } else if (found < best) {
            const double gain = best - found, before = best;
            copy(f, vector(f, CURRENT), vector(f, TRIAL));
            best = found;
            damping = fmax(damping * DAMPING_FALL, LEAST_DAMPING);
            fresh = false;
            if (gain < LEAST_GAIN * before) break;
        } else {
            damping *= DAMPING_RISE;
            if (damping > MOST_DAMPING) break;
        }
    }
    return best;
}

/* Weighted errors at this lane's points, 0 beyond them; infinite where not finite. */
DEVICE Pair errors(Fitter &f)
{
    if (!f.active) return pair(0.0, 0.0);
    forward<Real>(f.t, f.t.n);
    const Pair v = value(f.t, f.t.n - 1);
    return pair(or_infinite(fabs(v.x - f.exact.x) * f.factor.x), or_infinite(fabs(v.y - f.exact.y) * f.factor.y));
}

/* Draw number `at` of a stream (evo/kernels/random.h: splitmix64 counts, so any draw can be had at once). */
DEVICE double uniform(uint64_t stream, int at)
{
    return (double)(mix(stream + 0x9e3779b97f4a7c15u * (uint64_t)(at + 1)) >> 11) * 0x1p-53;
}

DEVICE double constant_within(uint64_t stream, int at, double decades, double under)
{
    const double magnitude = pow(10.0, decades * uniform(stream, at) - under);
    return uniform(stream, at + 1) < 0.5 ? -magnitude : magnitude;
}

DEVICE double random_constant(uint64_t stream, int at)
{
    return constant_within(stream, at, DECADES, DECADES_BELOW);
}

/* Initial constants of all starts, as fit.h's vary_start() draws them one after the other. */
DEVICE void vary_starts(const Fitter &f, int starts, int anew, uint64_t stream)
{
    const double *inherited = vector(f, INHERITED);
    int at = 0;
    meet();
    for (int start = 0; start < starts; start++) {
        double *constants = vector(f, VECTORS + start);
        for (int j = 0; j < f.t.k; j++) {
            const bool mine = f.t.lane == j % WARP;
            switch (anew ? -1 : start % 4) {
            case -1:
                if (mine) constants[j] = constant_within(stream, at, ANEW_DECADES, ANEW_DECADES_BELOW);
                at += 2;
                break;
            case 0:
                if (mine && start) {
                    const double u = 1.0 - uniform(stream, at), v = uniform(stream, at + 1);
                    const double normal = sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
                    constants[j] = inherited[j] * (1.0 + NEARBY * normal);
                } else if (mine) {
                    constants[j] = inherited[j];
                }
                at += start ? 2 : 0;
                break;
            case 1:
                if (mine) constants[j] = random_constant(stream, at);
                at += 2;
                break;
            case 2:
                if (uniform(stream, at) < 0.5) {
                    if (mine) constants[j] = inherited[j];
                    at += 1;
                } else {
                    if (mine) constants[j] = random_constant(stream, at + 1);
                    at += 3;
                }
                break;
            default:
                if (mine) constants[j] = ldexp(inherited[j], (int)(uniform(stream, at) * SCALES) - SCALES / 2);
                at += 1;
            }
        }
    }
    meet();
}

/* How often each value, as a divisor, is a factor of the common denominator of value `root` (clear.h): a lane
   for each divisor. */
DEVICE void common_denominator(const Fitter &f, int root)
{
    double of[BATCH_OPS];
    for (int d = f.t.lane; d <= root; d += WARP) {
        for (int i = d; i <= root; i++) {
            const int4 in = instruction(f.t, i);
            const int at[3] = {in.y / WARP - 1 - f.t.k, in.z / WARP - 1 - f.t.k, in.w / WARP - 1 - f.t.k};
            double of_operand[3];
            for (int j = 0; j < 3; j++) of_operand[j] = at[j] >= d ? of[at[j]] : 0.0;
            const int op = in.x & 255;
            of[i] = clears(op, of_operand[0], of_operand[1], of_operand[2]);
            if (DIVISOR[op] != NOTHING && at[DIVISOR[op]] == d) of[i] += 1.0;
        }
        f.multiplicity[d] = of[root];
    }
    meet();
}

/* Undoes squares at the root, and products with x, in this lane's goal and its weight; returns the value
   whose goal is then known, -1 if none. All lanes with points take part. */
DEVICE int without_squares(const Fitter &f, bool active, Pair x, Pair &goal, Pair &power)
{
    int root = f.t.n - 1;
    while (root >= 0) {
        const int4 in = instruction(f.t, root);
        if ((in.x & 255) != OP_MUL) break;
        if (in.y == in.z) {
            if (any(active && !(goal.x > 0.0 && goal.y > 0.0))) break;
            goal = pair(sqrt(goal.x), sqrt(goal.y));
            power = pair(power.x * 2.0 * goal.x, power.y * 2.0 * goal.y);
            root = in.y / WARP - 1 - f.t.k;
        } else if (in.y == 0 || in.z == 0) {
            if (any(active && (x.x == 0.0 || x.y == 0.0))) break;
            goal = pair(goal.x / x.x, goal.y / x.y);
            power = pair(power.x * fabs(x.x), power.y * fabs(x.y));
            root = (in.y == 0 ? in.z : in.y) / WARP - 1 - f.t.k;
        } else break;
    }
    return root;
}

/* clear.h for all starts: their vectors become the best constants on the way. */
DEVICE void clear_starts(Fitter &f, const Job &job)
{
    const Tape &t = f.t;
    const int wanted = (FEW * t.k + 7) / 8 * 8, points = wanted < job.points ? wanted : job.points;
    const int first = t.lane % GROUP * 2, group = t.lane / GROUP;
    const bool active = first < points;
    Pair x = f.x, goal = f.exact, power = f.factor;
    if (active) {
        double sample[3][2];
        for (int i = 0; i < 2; i++) {
            const int q = first + i < points ? first + i : points - 1, at = (2 * q + 1) * job.points / (2 * points);
            sample[0][i] = job.x[at];
            sample[1][i] = job.exact[at];
            sample[2][i] = first + i < points ? job.weight[at] : 0.0;
        }
        x = pair(sample[0][0], sample[0][1]);
        goal = pair(sample[1][0], sample[1][1]);
        power = pair(sample[2][0], sample[2][1]);
    }
    const int root = without_squares(f, active, x, goal, power), n = root + 1;
    if (root < 0) return;
    common_denominator(f, root);
    cell(t, 0) = x;
    for (int begin = 0; begin < job.starts; begin += WARP / GROUP) {
        const int start = begin + group;
        double *constants = vector(f, VECTORS + (start < job.starts ? start : 0));
        bool running = start < job.starts;
        double best = INFINITY;
        put(f, constants);
        meet();
        for (int done = 0;; done++) {
            Pair r = pair(0.0, 0.0);
            if (active && running) {
                forward<Real>(t, n);
                const Pair v = value(t, root);
                r = pair((v.x - goal.x) * power.x, (v.y - goal.y) * power.y);
            }
            const double squares = sum<GROUP>(dot(r, r));
            running = running && squares < INFINITY;
            if (running && squares < best) {
                if (first == 0)
                    for (int j = 0; j < t.k; j++) constants[j] = constant(t, j).x;
                running = !(best < INFINITY && best - squares < LEAST_CLEAR_GAIN * best);
                best = squares;
            }
            if (done == job.clear_steps || !any(running)) break;
            if (active && running) {
                reverse_open(t, n);
                adjoint(t, root) = power;
                for (int i = 0; i < n; i++) {
                    const double m = f.multiplicity[i];
                    if (m == 0.0) continue;
                    const Pair d = value(t, i);
                    Pair &g = adjoint(t, i);
                    g = pair(fma(r.x * m, reciprocal(d.x), g.x), fma(r.y * m, reciprocal(d.y), g.y));
                }
                reverse<Real, true>(t, n);
            }
            full_step(t, active && running, running, r);
        }
        meet();
    }
    cell(t, 0) = f.x;
}

/* Lawson's weights after errors `e`, the largest of them `max`. */
DEVICE void reweight(Fitter &f, const Job &job, Pair e, double max)
{
    f.lawson = pair(f.lawson.x * fmax(e.x / max, LEAST_LAWSON), f.lawson.y * fmax(e.y / max, LEAST_LAWSON));
    if (!(f.factor.y > 0.0)) f.lawson.y = 0.0; /* a lane may have one point only */
    const double total = sum<WARP>(f.active ? f.lawson.x + f.lawson.y : 0.0), scale = job.points / total;
    f.lawson = pair(f.lawson.x * scale, f.lawson.y * scale);
    f.weight = pair(f.factor.x * sqrt(f.lawson.x), f.factor.y * sqrt(f.lawson.y));
}

/* The best of the starts that are left, taken out; -1 if none is finite. */
DEVICE int take_best(const Fitter &f, int starts)
{
    int best = -1;
    double squares = INFINITY;
    meet();
    for (int s = 0; s < starts; s++)
        if (f.squares[s] < squares) squares = f.squares[best = s];
    meet();
    if (best >= 0 && f.t.lane == 0) f.squares[best] = INFINITY;
    return best;
}

/* A row's fit, all of fit.h's multi_start() and minimax(), with one call of levenberg_marquardt(): the starts'
   sums of squares, the inherited constants, the finalists, the best of them, the Lawson rounds. The constants
   are then BEST. */
DEVICE void fit_row(Fitter &f, const Job &job, int row, double &rms, double &error)
{
    const int ranked = job.starts, tried = ranked + 1 + job.finalists;
    double best = INFINITY, best_damping = INHERITED_DAMPING, damping = INHERITED_DAMPING, max = INFINITY;
    Pair e = pair(0.0, 0.0);
    f.weight = f.factor;
    f.lawson = pair(1.0, 1.0);
    rms = error = INFINITY;
#pragma unroll 1
    for (int stage = 0; stage <= tried + job.lawson_rounds; stage++) {
        int steps = stage < ranked ? 0 : stage < tried ? job.first_steps : job.final_steps;
        int from = stage < ranked ? VECTORS + stage : stage == ranked ? INHERITED : BEST;
        if (stage > ranked && stage < tried) {
            const int start = take_best(f, ranked);
            if (start < 0) continue;
            from = VECTORS + start;
            damping = CLEARED_DAMPING;
        } else if (stage == tried) {
            if (best == INFINITY) return;
            damping = best_damping;
        } else if (stage > tried) {
            if (!(max > 0.0 && max < INFINITY)) break;
            reweight(f, job, e, max);
            damping = fmin(damping, LAWSON_DAMPING);
            steps = job.lawson_steps;
            from = CURRENT;
        }
        if (from != CURRENT) copy(f, vector(f, CURRENT), vector(f, from));
        const double squares = levenberg_marquardt(f, steps, damping);
        if (stage < ranked) {
            if (f.t.lane == 0) f.squares[stage] = squares;
            continue;
        }
        bool better = squares < best;
        if (stage < tried) {
            best = better ? squares : best;
            best_damping = better ? damping : best_damping;
        } else {
            if (stage == tried) rms = sqrt(squares / job.points);
            put(f, vector(f, CURRENT));
            e = errors(f);
            max = largest(fmax(e.x, e.y));
            better = stage == tried || max < error;
            error = better ? max : error;
        }
        if (better) copy(f, vector(f, BEST), vector(f, CURRENT));
        if (stage == tried) {
            if (!(rms <= job.worth[row])) break;
            damping = CLEARED_DAMPING;
        } else if (stage > tried) {
            const double weighted = sum<WARP>(f.lawson.x * e.x * e.x + f.lawson.y * e.y * e.y);
            if (max <= job.lawson_stop * sqrt(weighted / job.points)) break;
        }
    }
}

/* Shared memory of a warp, in cells. */
DEVICE int doubles_from(int most_n) { return rows_of(most_n, K) * WARP + most_n; }

KERNEL void fit(const Job *given)
{
    const Job job = *given;
    Fitter f;
    double *doubles = reinterpret_cast<double *>(cells + doubles_from(job.most_n));
    f.multiplicity = doubles;
    f.squares = f.multiplicity + job.most_n;
    f.factors = f.squares + job.starts;
    f.vectors = f.factors + FACTOR;
    f.iterations = 0;
    const int lane = lane_number(), first = 2 * lane, last = job.points - 1;
    const int p = first < last ? first : last, q = first + 1 < last ? first + 1 : last;
    f.active = first < job.points;
    f.x = pair(job.x[p], job.x[q]);
    f.exact = pair(job.exact[p], job.exact[q]);
    f.factor = pair(f.active ? job.weight[p] : 0.0, first + 1 < job.points ? job.weight[q] : 0.0);
    for (int at = next(job.counter); at < job.todo; at = next(job.counter)) {
        const int row = job.chosen[at];
        const int64_t begin = (int64_t)row * job.width;
        const int n = job.n[row];
        f.t = decode(job.op + begin, job.arg + 3 * begin, n, K, rows_of(job.most_n, K) * WARP);
        cell(f.t, 0) = f.x;
        copy(f, vector(f, INHERITED), job.constants + begin);
        double rms, error;
        vary_starts(f, job.starts, job.anew, job.stream[row]);
        clear_starts(f, job);
        fit_row(f, job, row, rms, error);
        const bool fitted = rms < INFINITY;
        if (fitted) copy(f, job.constants + begin, vector(f, BEST));
        if (lane == 0) {
            job.rms[row] = rms;
            job.error[row] = error;
            job.status[row] = fitted ? FITTED : NOT_FINITE;
        }
    }
    count(job.iterations, f.iterations);
}
