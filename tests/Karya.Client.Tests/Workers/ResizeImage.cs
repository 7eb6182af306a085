namespace Karya.Client.Tests.Workers;

[KaryaTask("resize-image")]
internal sealed class ResizeImage : IKaryaTask<ResizeArgs, ResizeResult>
{
    public Task<ResizeResult> RunAsync(ResizeArgs args, TaskContext context, CancellationToken cancellationToken) =>
        Task.FromResult(new ResizeResult(args.Width * args.Width));
}

internal sealed record ResizeArgs(int Width);

internal sealed record ResizeResult(int Pixels);
