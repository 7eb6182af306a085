using System.Buffers;
using Karya.Engine;

namespace Karya.Node.Plans;

/// <summary>Puts a plan's body into a command, within the limits of plans. Pure.</summary>
internal static class CommandBody
{
    /// <summary>Of a rented array, which belongs to the command.</summary>
    /// <exception cref="DeskException">It is too large.</exception>
    public static void Set(ref Command command, PlanBody body)
    {
        var writer = new ArrayBufferWriter<byte>(512);
        PlanBodyCodec.Write(body, writer);
        if (writer.WrittenCount > Limits.BodyBytesMax)
        {
            throw new DeskException(
                DeskError.Invalid,
                $"The plan takes {writer.WrittenCount} bytes; at most {Limits.BodyBytesMax} are allowed. "
                + "Shorten its bodies or hooks.");
        }

        command.Payload = ArrayPool<byte>.Shared.Rent(writer.WrittenCount);
        writer.WrittenSpan.CopyTo(command.Payload);
        command.PayloadBytes = writer.WrittenCount;
        command.Spec.HookCount = body.Hooks.Count;
        if (body.Hooks.Count == 0)
            return;
        command.Hooks = new HookSpec[body.Hooks.Count];
        for (int i = 0; i < body.Hooks.Count; i++)
        {
            var hook = body.Hooks[i];
            command.Hooks[i] = new HookSpec(
                hook.Trigger, AttemptsMax(hook.RetriesMax), Lanes.Of(hook.Action),
                hook.Action is WorkerAction);
        }
    }

    /// <summary>A plan of /v1 may hold more than the wire allows; what nobody could read must not be stored.</summary>
    public static void CheckWire(in Command command)
    {
        try
        {
            WireContent.Read(command.Payload.AsSpan(0, command.PayloadBytes));
        }
        catch (PlanBodyDamagedException e)
        {
            SubmitDesk.Drop(command);
            throw new DeskException(
                DeskError.Invalid, $"The plan cannot have hooks of the wire protocol beside what it has. {e.Message}");
        }
    }

    public static int AttemptsMax(int retriesMax) => 1 + Math.Clamp(retriesMax, 0, Limits.AttemptsMax - 1);

    public static void CheckRetries(int retriesMax)
    {
        if (retriesMax >= Limits.AttemptsMax)
        {
            throw new DeskException(
                DeskError.Invalid,
                $"max_failure_retry is {retriesMax}; at most {Limits.AttemptsMax - 1} retries are allowed.");
        }
    }
}
