using Karya.Client;

namespace WebSample;

internal sealed record ResizeArgs(int ImageId, int Width);

internal sealed record ResizeResult(string Path);

/// <summary>One object is made per run, with what it needs from the run's scope of services.</summary>
[KaryaTask("resize-image")]
internal sealed class ResizeImage(ImageStore images) : IKaryaTask<ResizeArgs, ResizeResult>
{
    public async Task<ResizeResult> RunAsync(
        ResizeArgs args, TaskContext context, CancellationToken cancellationToken)
    {
        if (args.Width <= 0)
            throw new PermanentTaskException($"The width is {args.Width}; it must be positive."); // No retry helps.

        context.ReportProgress(0.1, "reading");
        string path = await images.ResizeAsync(args.ImageId, args.Width, cancellationToken);
        return new ResizeResult(path);
    }
}
