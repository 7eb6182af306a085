namespace WebSample;

/// <summary>Stands for a store of images.</summary>
internal sealed class ImageStore
{
    /// <summary>Bears being asked twice for the same: a task may run more than once.</summary>
    public async Task<string> ResizeAsync(int imageId, int width, CancellationToken cancellationToken)
    {
        await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken);
        return $"/images/{imageId}-{width}.webp";
    }
}
