using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Karya.Node.Tests.Network;

/// <summary>
/// A connection without a network. What the test sends is read by the node before the send returns; what the node sends
/// waits until the test reads it.
/// </summary>
internal sealed class PipeTransport : DefaultConnectionContext
{
    // As Kestrel's: 1 MiB towards the node, 64 KiB from it.
    private readonly Pipe _toNode = new(new PipeOptions(
        readerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 1024 * 1024, resumeWriterThreshold: 512 * 1024,
        useSynchronizationContext: false));

    private readonly Pipe _fromNode = new(new PipeOptions(
        pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024, useSynchronizationContext: false));

    public PipeTransport()
    {
        Transport = new Duplex(_toNode.Reader, _fromNode.Writer);
    }

    public PipeWriter ToNode => _toNode.Writer;

    public PipeReader FromNode => _fromNode.Reader;

    public bool IsAborted { get; private set; }

    public override void Abort(ConnectionAbortedException abortReason)
    {
        if (IsAborted)
            return;
        IsAborted = true;
        _toNode.Writer.Complete(abortReason);
        _fromNode.Reader.Complete(abortReason);
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
