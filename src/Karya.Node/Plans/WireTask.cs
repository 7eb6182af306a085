namespace Karya.Node.Plans;

/// <summary>What a worker is asked to do, borrowed from the body of a plan.</summary>
/// <param name="timeoutMs">0 for no limit.</param>
internal readonly ref struct WireTask(ReadOnlySpan<byte> name, ReadOnlySpan<byte> arguments, long timeoutMs)
{
    public ReadOnlySpan<byte> Name { get; } = name;

    public ReadOnlySpan<byte> Arguments { get; } = arguments;

    public long TimeoutMs { get; } = timeoutMs;
}
