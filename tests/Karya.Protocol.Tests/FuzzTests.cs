using System.Buffers;
using System.Diagnostics;
using Xunit;

namespace Karya.Protocol.Tests;

/// <summary>Alone, because it measures the memory of the process.</summary>
[CollectionDefinition(nameof(FuzzTests), DisableParallelization = true)]
[Collection(nameof(FuzzTests))]
public sealed class FuzzTests(ITestOutputHelper output)
{
    private const int Frames = 1_200_000;
    private const int LengthMax = 4096;

    /// <summary>See <see cref="MutationTests"/>.</summary>
    private const int GarbagePerByteMax = 24;
    private const int GarbageMin = 4096;

    private const long MemoryGrowthMax = 4 * 1024 * 1024;

    private readonly Sample[] _byOpcode = new Sample[256];
    private readonly FrameWriter _once = new();
    private readonly FrameWriter _twice = new();
    private readonly int[] _statuses = new int[Enum.GetValues<FrameReadStatus>().Length];
    private int _read;
    private int _refused;

    [Fact]
    public void A_million_damaged_frames_are_refused_or_read()
    {
        int seed = Seed.Take();
        output.WriteLine(Seed.Describe(seed));
        byte[][] frames = [.. Samples.All.Select(sample => sample.Frame(1))];
        foreach (var sample in Samples.All)
            _byOpcode[(byte)sample.Opcode] = sample;
        var fuzzer = new Fuzzer(seed, frames);
        long start = Stopwatch.GetTimestamp();
        long memory = 0;

        for (int i = 0; i < Frames; i++)
        {
            if (i == Frames / 10)
                memory = GC.GetTotalMemory(forceFullCollection: true);
            Feed(fuzzer, seed, i);
        }

        long growth = GC.GetTotalMemory(forceFullCollection: true) - memory;
        output.WriteLine(
            $"{Frames:N0} frames in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s: {_read:N0} messages read, " +
            $"{_refused:N0} refused; {string.Join(", ", Enum.GetValues<FrameReadStatus>().Select(Count))}; " +
            $"memory grew by {growth / 1024:N0} KiB.");
        Assert.InRange(growth, long.MinValue, MemoryGrowthMax);
        Assert.True(_read > Frames / 50 && _refused > Frames / 5, "The frames are damaged too much or too little.");
    }

    private void Feed(Fuzzer fuzzer, int seed, int number)
    {
        var wire = fuzzer.Next();
        try
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Read(fuzzer, wire);
            long garbage = GC.GetAllocatedBytesForCurrentThread() - before;
            int garbageMax = GarbageMin + GarbagePerByteMax * wire.Length;
            if (garbage > garbageMax && Garbage.BytesOf(() => Read(fuzzer, wire)) > garbageMax)
                throw new InvalidOperationException($"{garbage} bytes were allocated.");
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(
                $"{Seed.Describe(seed)}, frame {number}: {Convert.ToHexString(wire.Span)}", e);
        }
    }

    private void Read(Fuzzer fuzzer, ReadOnlyMemory<byte> wire)
    {
        var buffer = new ReadOnlySequence<byte>(wire);
        var status = FrameReader.TryRead(ref buffer, LengthMax, out var frame);
        _statuses[(int)status]++;
        if (status != FrameReadStatus.Complete)
            return;

        var sample = _byOpcode[(byte)frame.Opcode] ?? Samples.All[fuzzer.Below(Samples.All.Count)];
        _once.Clear();
        if (sample.Rewrite(frame.Body.FirstSpan, _once) is { } fault)
        {
            _refused++;
            if (fault.Message.Length == 0 || fault.Code == ErrorCode.None)
                throw new InvalidOperationException("A fault says nothing.");
            return;
        }

        _read++;
        _twice.Clear();
        if (sample.Rewrite(_once.Written.Span[FrameHeader.Bytes..], _twice) is { } second)
            throw new InvalidOperationException($"What was read and written is refused: {second}");
        if (!_once.Written.Span.SequenceEqual(_twice.Written.Span))
            throw new InvalidOperationException("What was read twice differs.");
    }

    private string Count(FrameReadStatus status) => $"{status} {_statuses[(int)status]:N0}";
}
