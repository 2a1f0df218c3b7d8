// Local response normalisation, for CUDA. layers/normalisation.py has the formulas.
//
//     y_i  = x_i * s_i^-beta                with  s_i = k + alpha * sum of x_j^2 over the neighbours j of i
//     dx_i = dy_i * s_i^-beta - 2 alpha beta x_i * sum of terms_j over the neighbours j of i,
//            terms_j = dy_j * x_j * s_j^(-beta - 1)
//
// x, y, dy, dx and terms are (N, height, width, channels). "across": the neighbours are the channels at a distance of
// up to `reach` at the same pixel; "within": the pixels at a distance of up to `reach` along both axes in the same
// channel.
//
// The square of a float above 1.8e19 is no float any more. Where s is none, it is computed once more as a double, with
// all that follows from it; so rarely that it costs no time. terms are doubles, since they shrink as x grows: the terms
// of such an x would be 0 as floats.


template <typename NUMBER> static __device__ NUMBER inverse_power(NUMBER s, NUMBER beta)
{
    if (beta != (NUMBER)0.75)
        return pow(s, -beta);
    NUMBER root = 1 / sqrt(s);  // s^-0.75, the papers' power, with two square roots: faster than a power
    return root * sqrt(root);
}

template <typename NUMBER> static __device__ NUMBER square(NUMBER number)
{
    return number * number;
}

// s_i of element i = index, across.
template <typename NUMBER> static __device__ NUMBER scale_across(
    const REAL *x, INDEX index, INDEX channels, INDEX reach, double alpha, double k)
{
    INDEX c = index % channels;
    NUMBER sum = 0;
    for (INDEX step = -reach; step <= reach; step++)
        if (c + step >= 0 && c + step < channels)
            sum += square<NUMBER>(x[index + step]);
    return (NUMBER)k + (NUMBER)alpha * sum;
}

// s_i of element i = index, within.
template <typename NUMBER> static __device__ NUMBER scale_within(
    const REAL *x, INDEX index, INDEX height, INDEX width, INDEX channels, INDEX reach, double alpha, double k)
{
    INDEX w = index / channels % width, h = index / channels / width % height;
    NUMBER sum = 0;
    for (INDEX down = -reach; down <= reach; down++)
        for (INDEX right = -reach; right <= reach; right++)
            if (h + down >= 0 && h + down < height && w + right >= 0 && w + right < width)
                sum += square<NUMBER>(x[index + (down * width + right) * channels]);
    return (NUMBER)k + (NUMBER)alpha * sum;
}

// y_i from x_i and s_i, and as well dx_i's first part from dy_i and s_i.
template <typename NUMBER> static __device__ NUMBER divided(REAL x, NUMBER s, double beta)
{
    return x * inverse_power(s, (NUMBER)beta);
}

// terms_j from dy_j, x_j and s_j.
template <typename NUMBER> static __device__ double term(REAL dy, REAL x, NUMBER s, double beta)
{
    return (double)(dy * inverse_power(s, (NUMBER)beta)) * (x / s);
}


// y_i, across. A thread computes one element of y.
extern "C" __global__ void lrn_across(
    INDEX size, const REAL *x, INDEX channels, INDEX reach, double alpha, double beta, double k, REAL *y)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        REAL s = scale_across<REAL>(x, index, channels, reach, alpha, k);
        y[index] = (REAL)(isfinite(s)
            ? divided(x[index], s, beta)
            : divided(x[index], scale_across<double>(x, index, channels, reach, alpha, k), beta));
    }
}


// terms_j, across. A thread computes one element of `terms`. They are stored because every dx_i needs those of all its
// neighbours: to compute each of them there again would read (2 reach + 1)^2 numbers.
extern "C" __global__ void lrn_across_terms(
    INDEX size, const REAL *dy, const REAL *x, INDEX channels, INDEX reach, double alpha, double beta, double k,
    double *terms)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        REAL s = scale_across<REAL>(x, index, channels, reach, alpha, k);
        terms[index] = isfinite(s)
            ? term(dy[index], x[index], s, beta)
            : term(dy[index], x[index], scale_across<double>(x, index, channels, reach, alpha, k), beta);
    }
}


// dx_i, across. A thread computes one element of dx.
extern "C" __global__ void lrn_across_backward(
    INDEX size, const REAL *dy, const REAL *x, const double *terms, INDEX channels, INDEX reach, double alpha,
    double beta, double k, REAL *dx)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX c = index % channels;
        double sum = 0;
        for (INDEX step = -reach; step <= reach; step++)
            if (c + step >= 0 && c + step < channels)
                sum += terms[index + step];
        REAL s = scale_across<REAL>(x, index, channels, reach, alpha, k);
        double direct = isfinite(s)
            ? divided(dy[index], s, beta)
            : divided(dy[index], scale_across<double>(x, index, channels, reach, alpha, k), beta);
        dx[index] = (REAL)(direct - 2 * alpha * beta * x[index] * sum);
    }
}


// y_i, within. A thread computes one element of y.
extern "C" __global__ void lrn_within(
    INDEX size, const REAL *x, INDEX height, INDEX width, INDEX channels, INDEX reach, double alpha, double beta,
    double k, REAL *y)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        REAL s = scale_within<REAL>(x, index, height, width, channels, reach, alpha, k);
        y[index] = (REAL)(isfinite(s)
            ? divided(x[index], s, beta)
            : divided(x[index], scale_within<double>(x, index, height, width, channels, reach, alpha, k), beta));
    }
}


// terms_j, within. A thread computes one element of `terms`.
extern "C" __global__ void lrn_within_terms(
    INDEX size, const REAL *dy, const REAL *x, INDEX height, INDEX width, INDEX channels, INDEX reach, double alpha,
    double beta, double k, double *terms)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        REAL s = scale_within<REAL>(x, index, height, width, channels, reach, alpha, k);
        terms[index] = isfinite(s)
            ? term(dy[index], x[index], s, beta)
            : term(dy[index], x[index], scale_within<double>(x, index, height, width, channels, reach, alpha, k), beta);
    }
}


// dx_i, within. A thread computes one element of dx.
extern "C" __global__ void lrn_within_backward(
    INDEX size, const REAL *dy, const REAL *x, const double *terms, INDEX height, INDEX width, INDEX channels,
    INDEX reach, double alpha, double beta, double k, REAL *dx)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX w = index / channels % width, h = index / channels / width % height;
        double sum = 0;
        for (INDEX down = -reach; down <= reach; down++)
            for (INDEX right = -reach; right <= reach; right++)
                if (h + down >= 0 && h + down < height && w + right >= 0 && w + right < width)
                    sum += terms[index + (down * width + right) * channels];
        REAL s = scale_within<REAL>(x, index, height, width, channels, reach, alpha, k);
        double direct = isfinite(s)
            ? divided(dy[index], s, beta)
            : divided(dy[index], scale_within<double>(x, index, height, width, channels, reach, alpha, k), beta);
        dx[index] = (REAL)(direct - 2 * alpha * beta * x[index] * sum);
    }
}
