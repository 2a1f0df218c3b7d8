// Local response normalisation, for CUDA. nn/kernels/normalisation.py explains the formulas.
//
//     y_i  = x_i * s_i^-beta                with  s_i = k + alpha * sum of x_j^2 over the neighbours j of i
//     dx_i = dy_i * s_i^-beta - 2 alpha beta x_i * sum of terms_j over the neighbours j of i,
//            terms_j = dy_j * x_j * s_j^(-beta - 1)
//
// x, y, dy, dx and terms are (N, height, width, channels). "across": the neighbours are the channels at a distance of
// up to `reach` at the same pixel; "within": the pixels at a distance of up to `reach` along both axes in the same
// channel.
//
// Everything between reading and writing is double, and so is `terms`: the square of a float above 1.8e19 is no float
// any more, and its s^-beta would come out as 0. Cards made for games compute doubles slowly; they pay for this here.


static __device__ double inverse_power(double s, double beta)
{
    if (beta != 0.75)
        return pow(s, -beta);
    double root = 1 / sqrt(s);  // s^-0.75, the papers' power, with two square roots: faster than a power
    return root * sqrt(root);
}

static __device__ double square(double number)
{
    return number * number;
}

// s_i of element i = index, across.
static __device__ double scale_across(
    const REAL *x, long long index, long long channels, long long reach, double alpha, double k)
{
    long long c = index % channels;
    double sum = 0;
    for (long long step = -reach; step <= reach; step++)
        if (c + step >= 0 && c + step < channels)
            sum += square(x[index + step]);
    return k + alpha * sum;
}

// s_i of element i = index, within.
static __device__ double scale_within(
    const REAL *x, long long index, long long height, long long width, long long channels, long long reach,
    double alpha, double k)
{
    long long w = index / channels % width, h = index / channels / width % height;
    double sum = 0;
    for (long long down = -reach; down <= reach; down++)
        for (long long right = -reach; right <= reach; right++)
            if (h + down >= 0 && h + down < height && w + right >= 0 && w + right < width)
                sum += square(x[index + (down * width + right) * channels]);
    return k + alpha * sum;
}


// y_i, across. A thread computes one element of y.
extern "C" __global__ void lrn_across(
    long long size, const REAL *x, long long channels, long long reach, double alpha, double beta, double k, REAL *y)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        double s = scale_across(x, index, channels, reach, alpha, k);
        y[index] = (REAL)(x[index] * inverse_power(s, beta));
    }
}


// terms_j, across. A thread computes one element of `terms`. They are stored because every dx_i needs those of all its
// neighbours: to compute each of them there again would read (2 reach + 1)^2 numbers.
extern "C" __global__ void lrn_across_terms(
    long long size, const REAL *dy, const REAL *x, long long channels, long long reach, double alpha, double beta,
    double k, double *terms)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        double s = scale_across(x, index, channels, reach, alpha, k);
        terms[index] = (double)dy[index] * x[index] * inverse_power(s, beta) / s;
    }
}


// dx_i, across. A thread computes one element of dx.
extern "C" __global__ void lrn_across_backward(
    long long size, const REAL *dy, const REAL *x, const double *terms, long long channels, long long reach,
    double alpha, double beta, double k, REAL *dx)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long c = index % channels;
        double sum = 0;
        for (long long step = -reach; step <= reach; step++)
            if (c + step >= 0 && c + step < channels)
                sum += terms[index + step];
        double s = scale_across(x, index, channels, reach, alpha, k);
        double direct = dy[index] * inverse_power(s, beta);
        dx[index] = (REAL)(direct - 2 * alpha * beta * x[index] * sum);
    }
}


// y_i, within. A thread computes one element of y.
extern "C" __global__ void lrn_within(
    long long size, const REAL *x, long long height, long long width, long long channels, long long reach,
    double alpha, double beta, double k, REAL *y)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        double s = scale_within(x, index, height, width, channels, reach, alpha, k);
        y[index] = (REAL)(x[index] * inverse_power(s, beta));
    }
}


// terms_j, within. A thread computes one element of `terms`.
extern "C" __global__ void lrn_within_terms(
    long long size, const REAL *dy, const REAL *x, long long height, long long width, long long channels,
    long long reach, double alpha, double beta, double k, double *terms)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        double s = scale_within(x, index, height, width, channels, reach, alpha, k);
        terms[index] = (double)dy[index] * x[index] * inverse_power(s, beta) / s;
    }
}


// dx_i, within. A thread computes one element of dx.
extern "C" __global__ void lrn_within_backward(
    long long size, const REAL *dy, const REAL *x, const double *terms, long long height, long long width,
    long long channels, long long reach, double alpha, double beta, double k, REAL *dx)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long w = index / channels % width, h = index / channels / width % height;
        double sum = 0;
        for (long long down = -reach; down <= reach; down++)
            for (long long right = -reach; right <= reach; right++)
                if (h + down >= 0 && h + down < height && w + right >= 0 && w + right < width)
                    sum += terms[index + (down * width + right) * channels];
        double s = scale_within(x, index, height, width, channels, reach, alpha, k);
        double direct = dy[index] * inverse_power(s, beta);
        dx[index] = (REAL)(direct - 2 * alpha * beta * x[index] * sum);
    }
}
