using Karya.Client.Tests.Fakes;

namespace Karya.Client.Tests.Workers;

/// <summary>A handler that the test holds: it tells when it runs, and ends when it is let or its token fires.</summary>
internal sealed class HeldHandler
{
    private readonly TaskCompletionSource<TaskContext> _started =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Goes on although its token has fired.</summary>
    public bool IsDeaf { get; set; }

    public Task<TaskContext> Started => _started.Task.Soonly("the handler runs");

    public Task Cancelled => _cancelled.Task.Soonly("the handler's token fires");

    public void Release() => _released.TrySetResult();

    public async Task RunAsync(object _, TaskContext context, CancellationToken cancellationToken)
    {
        _started.TrySetResult(context);
        try
        {
            await _released.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _cancelled.TrySetResult();
            if (!IsDeaf)
                throw;
            await _released.Task;
        }
    }
}
