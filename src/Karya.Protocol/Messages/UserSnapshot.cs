namespace Karya.Protocol.Messages;

/// <summary>Makes a user. Names need not be unique.</summary>
public sealed record CreateUserRequest(string Name) : IMessage<CreateUserRequest>
{
    public static Opcode Opcode => Opcode.CreateUser;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteString(Name);
    }

    public static CreateUserRequest Read(ref WireReader reader)
    {
        reader.ReadArray("create_user", 1, 1);
        return new CreateUserRequest(reader.ReadString("name", ProtocolLimits.UserNameBytesMax));
    }
}

/// <summary>Asks for the oldest user of that exact name.</summary>
public sealed record FindUserRequest(string Name) : IMessage<FindUserRequest>
{
    public static Opcode Opcode => Opcode.FindUser;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteString(Name);
    }

    public static FindUserRequest Read(ref WireReader reader)
    {
        reader.ReadArray("find_user", 1, 1);
        return new FindUserRequest(reader.ReadString("name", ProtocolLimits.UserNameBytesMax));
    }
}

/// <summary>A user.</summary>
public sealed record UserSnapshot(UInt128 Id, string Name, long CreatedMs)
{
    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteUuid(Id);
        writer.WriteString(Name);
        writer.WriteInt64(CreatedMs);
    }

    internal static UserSnapshot Read(ref WireReader reader)
    {
        reader.ReadArray("user", 3, 3);
        return new UserSnapshot(
            reader.ReadUuid("user.id"),
            reader.ReadString("user.name", 64 * 1024), // Older ways in allow longer names.
            reader.ReadInt64("user.created"));
    }
}

/// <summary>The new user.</summary>
public sealed record CreateUserReply(UserSnapshot User) : IMessage<CreateUserReply>
{
    public static Opcode Opcode => Opcode.CreateUser | Opcode.Reply;

    public void Write(FrameWriter writer) => User.Write(writer);

    public static CreateUserReply Read(ref WireReader reader) => new(UserSnapshot.Read(ref reader));
}

/// <summary>The user that was found; when there is none, the request is refused.</summary>
public sealed record FindUserReply(UserSnapshot User) : IMessage<FindUserReply>
{
    public static Opcode Opcode => Opcode.FindUser | Opcode.Reply;

    public void Write(FrameWriter writer) => User.Write(writer);

    public static FindUserReply Read(ref WireReader reader) => new(UserSnapshot.Read(ref reader));
}
