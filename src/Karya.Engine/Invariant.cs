using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Karya.Engine;

/// <summary>
/// Checks of ourselves, on in Release. A failure is a bug in Karya: the shard gives the partition up.
/// </summary>
public static class Invariant
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Check(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string? expression = null)
    {
        if (!condition)
            Fail(expression);
    }

    [DoesNotReturn]
    public static void Fail(string? expression) => throw new InvariantException($"Invariant broken: {expression}.");
}

/// <summary>Our own code is wrong. Nobody but the loop that owns the state catches it.</summary>
public sealed class InvariantException : Exception
{
    public InvariantException(string message) : base(message)
    {
    }

    public InvariantException()
    {
    }

    public InvariantException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
