using Karya.Engine;

namespace Karya.Node.Plans;

/// <summary>A request that waits for its shard's answer.</summary>
internal sealed class PendingReply : IReplyTarget
{
    private readonly TaskCompletionSource<ReplyCode> _code = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<ReplyCode> Code => _code.Task;

    public void Complete(in Reply reply) => _code.TrySetResult(reply.Code);
}
