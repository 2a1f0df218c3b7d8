// Pooling and its gradients, for CUDA. nn/kernels/pooling.py explains the arrays.
//
//     x, dx           (N, x_height, x_width, channels)
//     y, dy, winners  (N, height, width, channels)


// y[n, oh, ow, c]       = the largest x[n, oh * stride_height - padding_height + i,
//                                       ow * stride_width - padding_width + j, c]  inside the picture
// winners[n, oh, ow, c] = i * kernel_width + j, its place
// The first of equal elements wins, and the first NaN over everything. Every window must hold a pixel.
// A thread computes one element of y and the same of `winners`.
extern "C" __global__ void max_pool(
    long long size, const REAL *x, long long x_height, long long x_width, long long channels, long long kernel_height,
    long long kernel_width, long long stride_height, long long stride_width, long long padding_height,
    long long padding_width, long long height, long long width, REAL *y, int *winners)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long c = index % channels;
        long long left = index / channels % width * stride_width - padding_width;
        long long top = index / channels / width % height * stride_height - padding_height;
        long long n = index / channels / width / height;

        REAL best = 0;
        int winner = -1;
        for (long long i = 0; i < kernel_height; i++)
            for (long long j = 0; j < kernel_width; j++) {
                long long h = top + i, w = left + j;
                if (h < 0 || h >= x_height || w < 0 || w >= x_width)
                    continue;
                REAL element = x[((n * x_height + h) * x_width + w) * channels + c];
                // "not <=" is true for a NaN element as well; best == best: a NaN that leads already is kept.
                if (winner < 0 || (!(element <= best) && best == best)) {
                    best = element;
                    winner = (int)(i * kernel_width + j);
                }
            }
        y[index] = best;
        winners[index] = winner;
    }
}


// Along one axis, window o holds the places o * stride to o * stride + kernel - 1 of the padded picture. These are the
// first window that holds a place and, of `count` windows, the last.
static __device__ long long first_window(long long place, long long kernel, long long stride)
{
    return place < kernel ? 0 : (place - kernel) / stride + 1;
}

static __device__ long long last_window(long long place, long long stride, long long count)
{
    return place / stride < count ? place / stride : count - 1;
}


// dx[n, h, w, c] = sum of dy[n, oh, ow, c] over the windows (oh, ow) that the pixel (h, w) won.
// A thread computes one element of dx: it asks every window that holds the pixel whether the pixel won.
extern "C" __global__ void max_pool_backward(
    long long size, const REAL *dy, const int *winners, long long height, long long width, long long kernel_height,
    long long kernel_width, long long stride_height, long long stride_width, long long padding_height,
    long long padding_width, long long x_height, long long x_width, long long channels, REAL *dx)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long c = index % channels;
        long long w = index / channels % x_width + padding_width;  // in the padded picture
        long long h = index / channels / x_width % x_height + padding_height;
        long long n = index / channels / x_width / x_height;

        long long last_oh = last_window(h, stride_height, height), last_ow = last_window(w, stride_width, width);
        REAL sum = 0;
        for (long long oh = first_window(h, kernel_height, stride_height); oh <= last_oh; oh++)
            for (long long ow = first_window(w, kernel_width, stride_width); ow <= last_ow; ow++) {
                long long place = (h - oh * stride_height) * kernel_width + w - ow * stride_width;
                long long window = ((n * height + oh) * width + ow) * channels + c;
                if (winners[window] == place)
                    sum += dy[window];
            }
        dx[index] = sum;
    }
}


// y[n, oh, ow, c] = factor * sum over i, j of x[n, oh * stride_height - padding_height + i,
//                                                ow * stride_width - padding_width + j, c],  0 outside the picture.
// A thread computes one element of y.
extern "C" __global__ void sum_pool(
    long long size, const REAL *x, long long x_height, long long x_width, long long channels, long long kernel_height,
    long long kernel_width, long long stride_height, long long stride_width, long long padding_height,
    long long padding_width, long long height, long long width, double factor, REAL *y)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long c = index % channels;
        long long left = index / channels % width * stride_width - padding_width;
        long long top = index / channels / width % height * stride_height - padding_height;
        long long n = index / channels / width / height;

        REAL sum = 0;
        for (long long h = top; h < top + kernel_height; h++)
            for (long long w = left; w < left + kernel_width; w++)
                if (h >= 0 && h < x_height && w >= 0 && w < x_width)
                    sum += x[((n * x_height + h) * x_width + w) * channels + c];
        y[index] = (REAL)factor * sum;
    }
}


// dx[n, h, w, c] = factor * sum of dy[n, oh, ow, c] over the windows (oh, ow) that hold the pixel (h, w).
// A thread computes one element of dx.
extern "C" __global__ void sum_pool_backward(
    long long size, const REAL *dy, long long height, long long width, long long kernel_height, long long kernel_width,
    long long stride_height, long long stride_width, long long padding_height, long long padding_width,
    long long x_height, long long x_width, long long channels, double factor,
    REAL *dx)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long c = index % channels;
        long long w = index / channels % x_width + padding_width;  // in the padded picture
        long long h = index / channels / x_width % x_height + padding_height;
        long long n = index / channels / x_width / x_height;

        long long last_oh = last_window(h, stride_height, height), last_ow = last_window(w, stride_width, width);
        REAL sum = 0;
        for (long long oh = first_window(h, kernel_height, stride_height); oh <= last_oh; oh++)
            for (long long ow = first_window(w, kernel_width, stride_width); ow <= last_ow; ow++)
                sum += dy[((n * height + oh) * width + ow) * channels + c];
        dx[index] = (REAL)factor * sum;
    }
}
