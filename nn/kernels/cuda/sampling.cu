// Pictures seen through an affine map, for CUDA. nn/kernels/sampling.py explains the arrays.


static __device__ double between(double lowest, double number, double highest)
{
    return number < lowest ? lowest : number > highest ? highest : number;
}


// out[n, h, w, c] = images[n, ., ., c] at (m[0,0] h + m[0,1] w + m[0,2],  m[1,0] h + m[1,1] w + m[1,2]), m = maps[n],
// both places measured from the picture's centre: a mean of the four pixels around, in proportion to how near each is.
// Outside the picture is `fill`.
// A thread computes one element of `out`. Places and shares are double, as the maps are.
extern "C" __global__ void affine(
    long long size, const REAL *images, const double *maps, long long height, long long width, long long channels,
    double fill, REAL *out)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long c = index % channels;
        long long w = index / channels % width;
        long long h = index / channels / width % height;
        long long n = index / channels / width / height;

        const double *m = maps + 6 * n;
        double middle_h = (height - 1) / 2.0, middle_w = (width - 1) / 2.0;
        double y = h - middle_h, x = w - middle_w;
        // Whatever lies further out than one pixel sees `fill`, as that pixel does.
        double source_h = between(-1, m[0] * y + m[1] * x + m[2] + middle_h, (double)height);
        double source_w = between(-1, m[3] * y + m[4] * x + m[5] + middle_w, (double)width);
        long long top = (long long)floor(source_h), left = (long long)floor(source_w);
        double down = source_h - top, right = source_w - left;

        double sum = 0;
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++) {
                double share = (i ? down : 1 - down) * (j ? right : 1 - right);
                long long ih = top + i, iw = left + j;
                bool inside = ih >= 0 && ih < height && iw >= 0 && iw < width;
                sum += share * (inside ? images[((n * height + ih) * width + iw) * channels + c] : fill);
            }
        out[index] = (REAL)sum;
    }
}
